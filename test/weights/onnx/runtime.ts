/** Running ONNX files with onnxruntime-node, of which 1.16 (the last that installs without a download) has no types. */
import { createRequire } from 'node:module';

interface OrtTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

interface OrtSession {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

interface Ort {
  readonly InferenceSession: { create(bytes: Uint8Array, options: object): Promise<OrtSession> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
}

const ort = createRequire(__filename)('onnxruntime-node') as Ort;

/** An exported SR network: pictures [B, 3, h, w] in, [B, 3, s h, s w] out. */
export type OnnxNetwork = (
  lr: Float32Array,
  shape: readonly [number, number, number, number],
) => Promise<{ readonly data: Float32Array; readonly shape: readonly number[] }>;

/** Opens a file's bytes; the runtime checks the graph. */
export async function openOnnx(bytes: Uint8Array): Promise<OnnxNetwork> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  return async (lr, shape) => {
    const { sr } = await session.run({ lr: new ort.Tensor('float32', lr, shape) });
    return { data: sr.data, shape: sr.dims };
  };
}
