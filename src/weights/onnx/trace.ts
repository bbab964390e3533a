/**
 * Recording a network: a TensorFlow.js backend that computes nothing and writes down which kernels a forward pass calls,
 * on which tensors and with which attributes. It has the fused kernels of `ops/` as well, so that attention, layer norm
 * and the like are recorded as what they are.
 *
 * One pass knows only the sizes of its own input. So the network is traced once for each of SAMPLES, and the passes are
 * merged step by step: what they agree on is fixed, a number that differs is kept with all its values (`Varying`).
 */
import * as tf from '@tensorflow/tfjs-core';
import { dimOf, SAMPLES, Varying, type Dim } from './sizes';

/** What a forward pass may be traced of. */
export type Forward = (lr: tf.Tensor4D) => tf.Tensor4D;

/** What the recorder must know of a kernel. A forward pass that calls a kernel without a rule fails. */
export interface RecordingRule {
  /** Shapes of the outputs from those of the inputs and the attributes. */
  readonly shapes: (
    inputs: Readonly<Record<string, readonly number[]>>,
    attrs: Readonly<Record<string, unknown>>,
  ) => readonly (readonly number[])[];
  /** Of the outputs; float32 unless given. */
  readonly dtype?: 'int32';
}

/** An array that does not depend on the input: a weight, or a constant that the network made. */
export interface Constant {
  /** The state-dict key of a weight; undefined for other constants. */
  readonly key?: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** A tensor of the trace, by number. */
export interface TracedTensor {
  readonly id: number;
  readonly shape: readonly Dim[];
}

export interface Step {
  readonly kernel: string;
  readonly inputs: Readonly<Record<string, TracedTensor>>;
  /** As the kernel takes them, but numbers may be `Varying`. */
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly outputs: readonly TracedTensor[];
}

export interface Trace {
  readonly input: TracedTensor;
  readonly output: TracedTensor;
  readonly steps: readonly Step[];
  /** By tensor number. */
  readonly constants: ReadonlyMap<number, Constant>;
}

/**
 * Traces `forward`.
 * @param weights the network's variables by state-dict key, with their values
 * @param rules every kernel that may be called
 * @throws Error where the passes take different steps, or a constant depends on the input's size
 */
export async function trace(
  forward: Forward,
  weights: ReadonlyMap<string, { readonly variable: tf.Tensor; readonly data: Float32Array }>,
  rules: ReadonlyMap<string, RecordingRule>,
): Promise<Trace> {
  const before = tf.getBackend();
  const backend = new RecordingBackend();
  tf.registerBackend(BACKEND, () => backend);
  for (const [kernelName, rule] of rules) {
    tf.registerKernel({
      kernelName,
      backendName: BACKEND,
      kernelFunc: ({ inputs, attrs }) => backend.record(kernelName, inputs, attrs ?? {}, rule),
    });
  }
  try {
    await tf.setBackend(BACKEND);
    const passes = SAMPLES.map(({ batch, height, width }) =>
      backend.pass(forward, [batch, height, width, 3], weights),
    );
    return merge(passes);
  } finally {
    await tf.setBackend(before);
    for (const kernelName of rules.keys()) tf.unregisterKernel(kernelName, BACKEND);
    tf.removeBackend(BACKEND);
  }
}

const BACKEND = 'mimicsr-trace';

interface PassStep {
  readonly kernel: string;
  readonly inputs: Readonly<Record<string, number>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly outputs: readonly number[];
}

interface Pass {
  readonly input: number;
  readonly output: number;
  readonly steps: readonly PassStep[];
  readonly shapes: readonly (readonly number[])[];
  readonly constants: ReadonlyMap<number, Constant>;
}

class RecordingBackend extends tf.KernelBackend {
  private ids = new Map<object, number>();
  private steps: PassStep[] = [];
  private shapes: (readonly number[])[] = [];
  private constants = new Map<number, Constant>();

  /** Records one forward pass on an input of `shape`. */
  pass(
    forward: Forward,
    shape: [number, number, number, number],
    weights: ReadonlyMap<string, { readonly variable: tf.Tensor; readonly data: Float32Array }>,
  ): Pass {
    this.ids = new Map();
    this.steps = [];
    this.shapes = [];
    this.constants = new Map();
    for (const [key, { variable, data }] of weights) {
      const id = this.number(variable.dataId, variable.shape);
      this.constants.set(id, { key, shape: variable.shape, data });
    }
    const dataId = {};
    const input = this.number(dataId, shape);
    let output: number | undefined;
    tf.tidy(() => {
      const lr = tf.engine().makeTensorFromDataId(dataId, shape, 'float32', this) as tf.Tensor4D;
      output = this.ids.get(forward(lr).dataId);
    });
    if (output === undefined) throw new Error('the network returned a tensor that it did not compute');
    return { input, output, steps: this.steps, shapes: this.shapes, constants: this.constants };
  }

  record(
    kernel: string,
    inputs: tf.NamedTensorInfoMap,
    attrs: Readonly<Record<string, unknown>>,
    rule: RecordingRule,
  ): tf.TensorInfo[] | tf.TensorInfo {
    const present = Object.entries(inputs).flatMap(([name, info]) => (info ? [[name, info] as const] : []));
    const ids = present.map(([name, info]) => {
      const id = this.ids.get(info.dataId);
      if (id === undefined)
        throw new Error(`${kernel}: its input '${name}' is neither a weight nor computed`);
      return [name, id] as const;
    });
    const shapes = rule.shapes(Object.fromEntries(present.map(([name, info]) => [name, info.shape])), attrs);
    const outputs = shapes.map((shape) => {
      const info: tf.TensorInfo = { dataId: {}, shape: [...shape], dtype: rule.dtype ?? 'float32' };
      return { id: this.number(info.dataId, shape), info };
    });
    this.steps.push({ kernel, inputs: Object.fromEntries(ids), attrs, outputs: outputs.map(({ id }) => id) });
    return outputs.length === 1 ? outputs[0].info : outputs.map(({ info }) => info);
  }

  private number(dataId: object, shape: readonly number[]): number {
    this.ids.set(dataId, this.shapes.length);
    return this.shapes.push(shape) - 1;
  }

  /** A constant that the network makes during the pass. */
  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    const type = dtype === 'float32' ? Float32Array : Int32Array;
    const data = type.from(values as ArrayLike<number>);
    this.constants.set(this.number(dataId, shape), { shape, data });
    return dataId;
  }

  override numDataIds(): number {
    return this.ids.size;
  }

  override refCount(): number {
    return 1;
  }

  override incRef(): void {
    // Nothing is held, so nothing is counted.
  }

  override disposeData(): boolean {
    return true;
  }

  override dispose(): void {
    // Holds nothing.
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override timerAvailable(): boolean {
    return false;
  }
}

/** One trace of all passes. */
function merge(passes: readonly Pass[]): Trace {
  const [first, ...others] = passes;
  const differ = (where: string): Error =>
    new Error(`the network does not take the same steps on images of all sizes (${where})`);
  for (const pass of others) {
    if (pass.steps.length !== first.steps.length) {
      throw differ(`${first.steps.length} and ${pass.steps.length} kernels`);
    }
    if (pass.output !== first.output) throw differ('its output');
  }
  const tensor = (id: number): TracedTensor => ({
    id,
    shape: first.shapes[id].map((_, axis) => dimOf(passes.map((pass) => pass.shapes[id][axis]))),
  });
  const steps = first.steps.map((step, i) => {
    const same = passes.map((pass) => pass.steps[i]);
    for (const other of same) {
      if (other.kernel !== step.kernel) throw differ(`step ${i}: ${step.kernel} and ${other.kernel}`);
      if (JSON.stringify([other.inputs, other.outputs]) !== JSON.stringify([step.inputs, step.outputs])) {
        throw differ(`step ${i}: inputs of ${step.kernel}`);
      }
    }
    return {
      kernel: step.kernel,
      inputs: Object.fromEntries(Object.entries(step.inputs).map(([name, id]) => [name, tensor(id)])),
      attrs: mergeValues(
        same.map(({ attrs }) => attrs),
        `attributes of ${step.kernel}`,
      ) as Readonly<Record<string, unknown>>,
      outputs: step.outputs.map(tensor),
    };
  });
  for (const [id, { shape, data }] of first.constants) {
    for (const pass of others) {
      const other = pass.constants.get(id);
      const equal =
        other !== undefined &&
        String(other.shape) === String(shape) &&
        (other.data === data || Buffer.compare(bytes(other.data), bytes(data)) === 0);
      if (!equal)
        throw new Error(`a constant [${shape.join(', ')}] of the network depends on the image's size`);
    }
  }
  return { input: tensor(first.input), output: tensor(first.output), steps, constants: first.constants };
}

/** Attribute values of the passes as one: equal, or numbers that vary. */
function mergeValues(values: readonly unknown[], where: string): unknown {
  const [first] = values;
  if (values.every((v) => typeof v === 'number')) {
    return values.every((v) => v === first) ? first : new Varying(values);
  }
  if (first !== null && typeof first === 'object') {
    const keys = Object.keys(first);
    if (
      !values.every((v) => v !== null && typeof v === 'object' && String(Object.keys(v)) === String(keys))
    ) {
      throw new Error(`the network does not take the same steps on images of all sizes (${where})`);
    }
    const merged = keys.map((key) => {
      const members = values.map((v) => (v as Record<string, unknown>)[key]);
      return [key, mergeValues(members, where)] as const;
    });
    return Array.isArray(first) ? merged.map(([, v]) => v) : Object.fromEntries(merged);
  }
  if (values.every((v) => v === first)) return first;
  throw new Error(`the network does not take the same steps on images of all sizes (${where})`);
}

function bytes(data: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
