/**
 * SR networks as ONNX files (operator set 17): input `lr` [batch, 3, height, width], output `sr` [batch, 3, scale height,
 * scale width], RGB in [0,1], all three sizes free. The graph is not written network by network: a forward pass is
 * recorded (`trace.ts`) and each recorded kernel becomes nodes (`kernels.ts`).
 *
 * Left out: training graphs, quantised and half-precision files.
 */
import type * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../../nn/parameter';
import { versions } from '../../util/versions';
import { writeFileAtomic } from '../../util/write-file';
import { Graph, type Value } from './graph';
import { KERNELS } from './kernels';
import { encodeModel } from './proto';
import { trace, type TracedTensor } from './trace';

/** What is exported: an SR network with its weights. */
export interface Exportable {
  readonly scale: number;
  readonly minimumSize: number;
  namedParameters(): Iterable<[string, Parameter]>;
  /** Switches between training and test mode. */
  train(mode: boolean): unknown;
  forward(lr: tf.Tensor4D): tf.Tensor4D;
}

const OPSET = 17;

/**
 * Writes `network` to `path`, atomically. The network is switched to test mode. An engine must be running.
 * @param name what the graph is called: the network's name
 * @throws InputError for a network that does what ONNX export does not know
 */
export async function writeOnnx(path: string, network: Exportable, name: string): Promise<void> {
  writeFileAtomic(path, await encodeOnnx(network, name));
}

/** The chunks of bytes that `writeOnnx` writes. */
export async function encodeOnnx(network: Exportable, name: string): Promise<Uint8Array[]> {
  network.train(false);
  const weights = new Map<string, { variable: tf.Tensor; data: Float32Array }>();
  for (const [key, { variable }] of network.namedParameters()) {
    weights.set(key, { variable, data: (await variable.data()) as Float32Array });
  }
  const traced = await trace((lr) => network.forward(lr), weights, KERNELS);

  const graph = new Graph('lr');
  const values = new Map<number, Value>();
  values.set(traced.input.id, { shape: traced.input.shape, nchw: 'lr' });
  const value = ({ id, shape }: TracedTensor): Value => {
    let found = values.get(id);
    if (found === undefined) values.set(id, (found = { shape, constant: traced.constants.get(id)! }));
    return found;
  };
  for (const { kernel, inputs, attrs, outputs } of traced.steps) {
    const taken = Object.fromEntries(Object.entries(inputs).map(([key, tensor]) => [key, value(tensor)]));
    const shapes = outputs.map(({ shape }) => shape);
    const made = KERNELS.get(kernel)!.emit(graph, taken, attrs, shapes);
    made.forEach((v, i) => values.set(outputs[i].id, v));
  }
  const last = graph.nchw(value(traced.output));
  graph.nodes.push({ op: 'Identity', inputs: [last], outputs: ['sr'], attributes: {} });

  const { scale, minimumSize } = network;
  return encodeModel({
    name,
    description: `${name}, x${scale} super-resolution: RGB in [0,1], at least ${minimumSize} x ${minimumSize} pixels`,
    producerVersion: versions().mimicsr,
    opset: OPSET,
    metadata: { network: name, scale: String(scale), minimum_size: String(minimumSize) },
    inputs: [
      { name: 'lr', shape: ['batch', 3, 'height', 'width'], description: 'low-resolution RGB in [0,1]' },
    ],
    outputs: [
      {
        name: 'sr',
        shape: ['batch', 3, 'sr_height', 'sr_width'],
        description: 'high-resolution RGB, not clamped',
      },
    ],
    nodes: graph.nodes,
    tensors: graph.tensors,
  });
}
