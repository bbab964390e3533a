import { InputError } from '../../util/errors';
import type { EngineLoader } from '../loader';

const MISSING = 'its addon is not built';

/** PyTorch's kernels under TensorFlow.js, through the addon in `native/`. */
export const torchEngine: EngineLoader = {
  name: 'torch',
  summary: "PyTorch's libtorch through the kit's addon",
  probe: () => Promise.resolve({ available: false, detail: MISSING }),
  start: () => Promise.reject(new InputError(`engine 'torch' is not available: ${MISSING}`)),
};
