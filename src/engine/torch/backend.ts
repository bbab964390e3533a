/**
 * A TensorFlow.js backend whose tensors live in libtorch. Each data id owns one at::Tensor in the addon's table and
 * frees it when TensorFlow.js disposes it; nothing waits for the garbage collector. Kernels (./kernels) run in C++;
 * values cross only in `write`, `read` and `readSync`.
 *
 * Left out: complex64 (no kernel of the kit makes one). Strings stay on the JavaScript side.
 */
import * as tf from '@tensorflow/tfjs-core';

import type { Addon, Elements } from './addon';

/** Numbered as enum Dtype in native/core/call.h. */
const DTYPES = ['float32', 'int32', 'bool'] as const;
type Dtype = (typeof DTYPES)[number];

/** One at::Tensor, or a list of strings, and how many tensors of TensorFlow.js share it. */
class TorchData {
  references = 1;
  constructor(
    /** Handle in the addon's table; 0 once freed, and for strings. */
    public handle: number,
    public strings?: tf.BackendValues,
  ) {}
}

/**
 * One call of a C++ kernel: write the arguments in the order in which the kernel takes them, then run.
 * There is one instance; a call is begun and run without another in between.
 */
export class Call {
  private code = 0;
  private next = 0;
  private readonly args: Float64Array;
  private readonly results: Float64Array;

  constructor(
    private readonly addon: Addon,
    private readonly backend: TorchBackend,
  ) {
    this.args = addon.arguments;
    this.results = addon.results;
  }

  begin(kernel: string): this {
    const code = this.addon.kernels[kernel];
    if (code === undefined)
      throw new Error(`the torch addon has no kernel ${kernel}: run npm run build:torch again`);
    this.code = code;
    this.next = 0;
    return this;
  }

  tensor(x: tf.TensorInfo): this {
    this.args[this.next++] = this.backend.handle(x.dataId);
    return this;
  }

  /** A tensor that may be absent. */
  optional(x: tf.TensorInfo | null | undefined): this {
    this.args[this.next++] = x === null || x === undefined ? 0 : this.backend.handle(x.dataId);
    return this;
  }

  number(value: number): this {
    this.args[this.next++] = value;
    return this;
  }

  flag(value: boolean | null | undefined): this {
    this.args[this.next++] = value ? 1 : 0;
    return this;
  }

  dtype(dtype: tf.DataType): this {
    this.args[this.next++] = dtypeCode(dtype);
    return this;
  }

  numbers(list: readonly number[]): this {
    this.reserve(list.length);
    this.args[this.next++] = list.length;
    for (const value of list) this.args[this.next++] = value;
    return this;
  }

  tensors(list: readonly tf.TensorInfo[]): this {
    this.reserve(list.length);
    this.args[this.next++] = list.length;
    for (const x of list) this.args[this.next++] = this.backend.handle(x.dataId);
    return this;
  }

  /** Runs a kernel with one result. */
  one(): tf.TensorInfo {
    this.addon.run(this.code);
    return this.result(1);
  }

  /** Runs a kernel with any number of results. */
  many(): tf.TensorInfo[] {
    this.addon.run(this.code);
    const infos: tf.TensorInfo[] = [];
    let at = 1;
    for (let i = 0; i < this.results[0]; i++) {
      infos.push(this.result(at));
      at += 3 + this.results[at + 2];
    }
    return infos;
  }

  private result(at: number): tf.TensorInfo {
    const { results } = this;
    const rank = results[at + 2];
    const shape = new Array<number>(rank);
    for (let i = 0; i < rank; i++) shape[i] = results[at + 3 + i]!;
    return { dataId: this.backend.own(results[at]), shape, dtype: DTYPES[results[at + 1]] };
  }

  /** A typed array drops what is written past its end, so long lists are measured first. */
  private reserve(count: number): void {
    if (this.next + count + 64 > this.args.length)
      throw new Error('too many arguments for one call of the torch addon');
  }
}

function dtypeCode(dtype: tf.DataType): number {
  const code = DTYPES.indexOf(dtype as Dtype);
  if (code < 0) throw new Error(`the torch engine has no ${dtype} tensors`);
  return code;
}

export class TorchBackend extends tf.KernelBackend {
  /** Data of tensors that began on another backend: their ids are not of our making. */
  private readonly foreign = new WeakMap<object, TorchData>();
  private readonly current: Call;
  private ids = 0;

  constructor(
    private readonly addon: Addon,
    private readonly mover: tf.DataMover,
  ) {
    super();
    this.current = new Call(addon, this);
  }

  /** Begins a call of the C++ kernel of that name. */
  call(kernel: string): Call {
    return this.current.begin(kernel);
  }

  /** New data id around a handle that the addon made. */
  own(handle: number): object {
    this.ids++;
    return new TorchData(handle);
  }

  /** Handle of a data id; fetches data that another backend holds. */
  handle(dataId: object): number {
    const { handle } = this.data(dataId);
    if (handle === 0) throw new Error('a string tensor was given to a numeric kernel');
    return handle;
  }

  private find(dataId: object): TorchData | undefined {
    const data = dataId instanceof TorchData ? dataId : this.foreign.get(dataId);
    return data === undefined || (data.handle === 0 && data.strings === undefined) ? undefined : data;
  }

  private data(dataId: object): TorchData {
    const known = this.find(dataId);
    if (known !== undefined) return known;
    try {
      this.mover.moveData(this, dataId);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    const moved = this.find(dataId);
    if (moved === undefined) throw new Error('a tensor given to the torch engine is disposed');
    return moved;
  }

  private upload(values: tf.BackendValues, shape: number[], dtype: tf.DataType): number {
    return this.addon.upload(elements(values, dtype), shape, dtypeCode(dtype));
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    this.ids++;
    return dtype === 'string' ? new TorchData(0, values) : new TorchData(this.upload(values, shape, dtype));
  }

  override move(
    dataId: object,
    values: tf.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    references: number,
  ): void {
    const data =
      dtype === 'string' ? new TorchData(0, values) : new TorchData(this.upload(values, shape, dtype));
    data.references = references;
    this.ids++;
    if (dataId instanceof TorchData) {
      dataId.handle = data.handle;
      dataId.strings = data.strings;
      dataId.references = references;
    } else {
      this.foreign.set(dataId, data);
    }
  }

  override readSync(dataId: object): tf.BackendValues {
    const data = this.data(dataId);
    if (data.strings !== undefined) return data.strings;
    return this.addon.read(data.handle);
  }

  override read(dataId: object): Promise<tf.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override disposeData(dataId: object, force = false): boolean {
    const data = this.find(dataId);
    if (data === undefined) return true;
    data.references--;
    if (!force && data.references > 0) return false;
    if (data.handle !== 0) this.addon.free(data.handle);
    data.handle = 0;
    data.strings = undefined;
    this.foreign.delete(dataId);
    this.ids--;
    return true;
  }

  override incRef(dataId: object): void {
    this.data(dataId).references++;
  }

  override refCount(dataId: object): number {
    return this.find(dataId)?.references ?? 0;
  }

  override numDataIds(): number {
    return this.ids;
  }

  /** libtorch's own count beside TensorFlow.js's: tensors in the addon's table, bytes of their distinct storages. */
  override memory(): { unreliable: boolean; torchTensors: number; torchBytes: number } {
    const [torchTensors, torchBytes] = this.addon.memory();
    return { unreliable: false, torchTensors, torchBytes };
  }

  override async time(body: () => void): Promise<tf.BackendTimingInfo> {
    this.addon.sync();
    const start = performance.now();
    body();
    this.addon.sync();
    return Promise.resolve({ kernelMs: performance.now() - start });
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override dispose(): void {
    // Tensors are freed one by one as TensorFlow.js disposes them; the threads are libtorch's.
  }
}

/** Values as the typed array of their element type. */
function elements(values: tf.BackendValues, dtype: tf.DataType): Elements {
  const list = values as ArrayLike<number>;
  // Node's native interface takes no memory that threads share, which the loader's batches lie in: a copy.
  if (ArrayBuffer.isView(values) && values.buffer instanceof SharedArrayBuffer) {
    return elements(values.slice(), dtype);
  }
  if (dtype === 'float32') return values instanceof Float32Array ? values : Float32Array.from(list);
  if (dtype === 'int32') return values instanceof Int32Array ? values : Int32Array.from(list);
  if (dtype === 'bool') return values instanceof Uint8Array ? values : Uint8Array.from(list);
  throw new Error(`the torch engine has no ${dtype} tensors`);
}
