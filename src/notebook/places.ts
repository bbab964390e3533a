/** Where notebooks find and leave things: folders of the checkout, wherever the notebook itself lies. */
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../util/versions';

/** Run folders. */
export const RUNS = process.env.MIMICSR_RUNS || join(PACKAGE_ROOT, 'runs');
/** Results, one folder a profile. */
export const RESULTS = process.env.MIMICSR_RESULTS || join(PACKAGE_ROOT, 'results');
