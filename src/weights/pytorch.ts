/**
 * PyTorch checkpoint files (`.pth`, `.pt`), read without PyTorch and without running anything.
 *
 * Two forms (torch/serialization.py): since 1.6 a ZIP archive, `<name>/data.pkl` and one entry `<name>/data/<key>` for
 * each storage; before, a chain of pickles (magic number, protocol, system, object, storage keys), then for each storage
 * an int64 element count and the raw data. In both the pickled object refers to storages by persistent ids
 * ("storage", class, key, device, element count), and a tensor is a view of one: offset, size, stride.
 *
 * Left out, and refused by name: every global beyond `GLOBALS` and the storage classes (so whole pickled modules,
 * quantised and sparse tensors, NumPy scalars), TorchScript archives, the tar form of PyTorch 0.1, big-endian files, and
 * storages that are slices of other storages, as PyTorch before 0.4 could write them.
 */
import { InputError } from '../util/errors';
import { Allowance, checkTree, PickleGlobal, unpickle } from './pickle';
import type { PickleHost } from './pickle';
import { gather, isRowMajor } from './strided';
import type { Dtype, DtypeArrays, StoredTensor } from './tensor-file';
import {
  arrayAt,
  bytesPerElement,
  elementCount,
  newArray,
  quoted,
  readWeightFile,
  storedTensor,
} from './tensor-file';
import { readStoredZip } from './zip';

/**
 * What a checkpoint holds: dictionaries as Maps, lists and tuples as arrays, integers as numbers (bigint beyond 2^53),
 * None as null. Parts may be shared; walking it as a tree is safe (see `checkTree`).
 */
export type PyTorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | StoredTensor
  | readonly PyTorchValue[]
  | ReadonlyMap<string | number | boolean | null, PyTorchValue>;

/** A tensor's own objects: its record, shape and array header. */
const TENSOR_COST = 600;
const MAX_RANK = 64; // PyTorch's own limit

const STORAGES: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ['torch.DoubleStorage', 'F64'],
  ['torch.FloatStorage', 'F32'],
  ['torch.HalfStorage', 'F16'],
  ['torch.BFloat16Storage', 'BF16'],
  ['torch.LongStorage', 'I64'],
  ['torch.IntStorage', 'I32'],
  ['torch.ShortStorage', 'I16'],
  ['torch.CharStorage', 'I8'],
  ['torch.ByteStorage', 'U8'],
  ['torch.BoolStorage', 'BOOL'],
]);

/** The constructors that a file of weights needs. */
const GLOBALS: ReadonlySet<string> = new Set([
  'collections.OrderedDict',
  'torch.Size',
  'torch._utils._rebuild_tensor',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_parameter',
  ...STORAGES.keys(),
]);

/** Whether bytes open like a PyTorch checkpoint of either form. */
export function looksLikePyTorch(bytes: Uint8Array): boolean {
  return isZip(bytes) || bytes[0] === 0x80;
}

function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b; // "PK"
}

/** Reads a checkpoint. Throws an InputError that names the file and what is wrong with it, or what it refuses. */
export function readPyTorch(path: string): PyTorchValue {
  return parsePyTorch(readWeightFile(path), path);
}

/**
 * Reads checkpoint bytes; `label` names them in errors, `allowance` bounds what their content takes. Tensors that lie in
 * the file as they are become views of `bytes` (so the caller must not overwrite it), others copies.
 */
export function parsePyTorch(
  bytes: Uint8Array,
  label: string,
  allowance: Allowance = contentAllowance(bytes.length, label),
): PyTorchValue {
  const checkpoint = new Checkpoint(allowance, label);
  const value = isZip(bytes) ? readZipForm(bytes, checkpoint, label) : readOldForm(bytes, checkpoint, label);
  checkTree(value, isTensor, allowance, label);
  return value as PyTorchValue;
}

/**
 * What the content of a file of `size` bytes may take beside the file itself: three times its size (an unaligned
 * storage is copied once, a half-precision one doubles as float32) and 32 MiB. All in all, reading a file stays within
 * four times its size and 64 MiB, the engine's own overhead included.
 */
export function contentAllowance(size: number, label: string): Allowance {
  return new Allowance(label, 3 * size + 32 * 2 ** 20);
}

/** Whether a value of a checkpoint is a tensor. */
export function isTensor(value: unknown): value is StoredTensor {
  return typeof value === 'object' && value !== null && 'dtype' in value && 'data' in value;
}

function readZipForm(bytes: Uint8Array, checkpoint: Checkpoint, label: string): unknown {
  const entries = readStoredZip(bytes, label);
  const pickles = [...entries.keys()].filter((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    throw new InputError(`${label}: expected one <name>/data.pkl in the archive, found ${pickles.length}`);
  }
  const root = pickles[0].slice(0, -'data.pkl'.length);
  const order = entries.get(`${root}byteorder`);
  if (order && Buffer.from(order).toString('latin1') !== 'little') {
    throw new InputError(`${label}: expected little-endian data, found another byte order`);
  }
  const { value } = unpickle(entries.get(pickles[0])!, 0, checkpoint, checkpoint.allowance, label);
  checkpoint.fill((key) => entries.get(`${root}data/${key}`));
  return value;
}

const OLD_MAGIC = 0x1950a86a20f9469cfc6cn;
const OLD_PROTOCOL = 1001;

function readOldForm(bytes: Uint8Array, checkpoint: Checkpoint, label: string): unknown {
  let at = 0;
  const next = (host: PickleHost): unknown => {
    const { value, end } = unpickle(bytes, at, host, checkpoint.allowance, label);
    at = end;
    return value;
  };
  const magic = next(PLAIN);
  if (magic !== OLD_MAGIC)
    throw new InputError(`${label}: a pickle, but not one that PyTorch wrote (no magic number)`);
  const protocol = next(PLAIN);
  if (protocol !== OLD_PROTOCOL) {
    throw new InputError(`${label}: expected PyTorch's file protocol ${OLD_PROTOCOL}, found another`);
  }
  const system = next(PLAIN);
  if (system instanceof Map && system.get('little_endian') === false) {
    throw new InputError(`${label}: expected little-endian data, found big-endian`);
  }
  const value = next(checkpoint);
  const keys = next(PLAIN);
  if (!Array.isArray(keys)) throw new InputError(`${label}: expected a list of storage keys, found none`);

  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const contents = new Map<string, Uint8Array>();
  for (const key of keys as unknown[]) {
    const storage = typeof key === 'string' ? checkpoint.storages.get(key) : undefined;
    if (typeof key !== 'string' || !storage || contents.has(key)) {
      throw new InputError(`${label}: the list of storage keys does not fit the storages in use`);
    }
    const count = at + 8 <= bytes.length ? Number(view.getBigInt64(at, true)) : NaN;
    at += 8;
    const size = count * bytesPerElement(storage.dtype);
    if (count !== storage.count || !(size <= bytes.length - at)) {
      let found = `${count}`;
      if (Number.isNaN(count)) found = 'the end of the file';
      else if (count === storage.count)
        found = `${bytes.length - at} of their ${size} bytes: the file is cut short`;
      throw new InputError(
        `${label}: storage ${quoted(key)}: expected ${storage.count} elements, found ${found}`,
      );
    }
    contents.set(key, bytes.subarray(at, at + size));
    at += size;
  }
  if (at !== bytes.length)
    throw new InputError(`${label}: ${bytes.length - at} bytes follow the last storage`);
  checkpoint.fill((key) => contents.get(key));
  return value;
}

/** A machine that knows no globals, for pickles of numbers and strings. */
const PLAIN: PickleHost = {
  globals: new Set(),
  call: () => undefined,
  persistent: () => undefined,
};

/** What a persistent id stands for. Its data comes after the pickle. */
class Storage {
  constructor(
    readonly key: string,
    readonly dtype: Dtype,
    /** Elements. */
    readonly count: number,
  ) {}
}

/** A tensor that waits for its storage's data. */
interface View {
  readonly tensor: StoredTensor;
  readonly storage: Storage;
  readonly offset: number;
  readonly stride: readonly number[];
}

/** Gives meaning to the globals and persistent ids of one checkpoint, and afterwards data to its tensors. */
class Checkpoint implements PickleHost {
  readonly globals = GLOBALS;
  readonly storages = new Map<string, Storage>();
  private readonly views: View[] = [];

  constructor(
    readonly allowance: Allowance,
    private readonly label: string,
  ) {}

  call(name: string, args: readonly unknown[]): unknown {
    switch (name) {
      case 'collections.OrderedDict':
        return this.orderedDict(args);
      case 'torch.Size':
        return this.integers(args[0], 'a torch.Size');
      case 'torch._utils._rebuild_parameter':
        if (!isTensor(args[0])) this.fail('expected a parameter to hold a tensor, found none');
        return args[0];
      case 'torch._utils._rebuild_tensor':
      case 'torch._utils._rebuild_tensor_v2':
        return this.view(args);
      default:
        return this.fail(`refuses to call ${quoted(name)}`);
    }
  }

  persistent(id: unknown): unknown {
    if (!Array.isArray(id) || id[0] !== 'storage')
      this.fail('expected a persistent id of a storage, found another');
    const [, type, key, , count, slice] = id as unknown[];
    const dtype = type instanceof PickleGlobal ? STORAGES.get(type.name) : undefined;
    if (dtype === undefined || typeof key !== 'string') this.fail('a storage has no known type, or no key');
    if (slice !== undefined && slice !== null) {
      this.fail(
        `storage ${quoted(key)} is a slice of another, which only PyTorch before 0.4 wrote and which is not read`,
      );
    }
    const elements = this.integer(count, `the element count of storage ${quoted(key)}`);
    const known = this.storages.get(key);
    if (known) {
      if (known.dtype !== dtype || known.count !== elements) {
        this.fail(
          `storage ${quoted(key)} is ${known.dtype} x ${known.count} and ${dtype} x ${elements} at once`,
        );
      }
      return known;
    }
    this.allowance.charge(TENSOR_COST);
    const storage = new Storage(key, dtype, elements);
    this.storages.set(key, storage);
    return storage;
  }

  /** Gives every tensor its data; `contentOf` finds the raw data of a storage. */
  fill(contentOf: (key: string) => Uint8Array | undefined): void {
    const arrays = new Map<Storage, DtypeArrays[Dtype]>();
    for (const storage of this.storages.values()) {
      const bytes = contentOf(storage.key);
      const expected = storage.count * bytesPerElement(storage.dtype);
      if (bytes?.length !== expected) {
        this.fail(
          `storage ${quoted(storage.key)}: expected ${expected} bytes, found ${bytes?.length ?? 'none'}`,
        );
      }
      if ((bytes.byteOffset & 7) !== 0) this.allowance.charge(expected); // arrayAt may have to copy
      arrays.set(storage, arrayAt(storage.dtype, bytes, 0, storage.count));
    }
    for (const { tensor, storage, offset, stride } of this.views) {
      const data = this.read(tensor.dtype, arrays.get(storage)!, offset, tensor.shape, stride);
      (tensor as { data: DtypeArrays[Dtype] }).data = data;
    }
  }

  /** An ordered dictionary, empty or from a list of pairs (as Python 2 pickled it). */
  private orderedDict(args: readonly unknown[]): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>();
    const pairs = args[0] ?? [];
    if (!Array.isArray(pairs)) this.fail('expected an OrderedDict from pairs, found another');
    for (const pair of pairs as unknown[]) {
      if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') {
        this.fail('expected an OrderedDict from pairs of a string and a value, found another');
      }
      this.allowance.charge(80);
      map.set(pair[0], pair[1]);
    }
    return map;
  }

  /** A tensor from (storage, offset, size, stride, ...); the rest says how it takes part in training. */
  private view(args: readonly unknown[]): StoredTensor {
    const [storage, offsetValue, size, strideValue] = args;
    if (!(storage instanceof Storage)) this.fail('a tensor views something that is not a storage');
    const offset = this.integer(offsetValue, 'the offset of a tensor');
    const shape = this.integers(size, 'the size of a tensor');
    const stride = this.integers(strideValue, 'the stride of a tensor');
    if (stride.length !== shape.length) {
      this.fail(`a tensor has ${shape.length} sizes and ${stride.length} strides`);
    }
    const count = elementCount(shape);
    const last = shape.reduce((at, d, i) => at + (d - 1) * stride[i], offset);
    if (count > 0 && !(last < storage.count)) {
      this.fail(
        `a tensor of size [${shape.join(', ')}], stride [${stride.join(', ')}] and offset ${offset} reaches beyond the ${storage.count} elements of storage ${quoted(storage.key)}`,
      );
    }
    this.allowance.charge(TENSOR_COST);
    const tensor = storedTensor(storage.dtype, shape, newArray(storage.dtype, 0));
    this.views.push({ tensor, storage, offset, stride });
    return tensor;
  }

  /** The elements of a view in row-major order: a part of the storage where they lie so, else a copy. */
  private read(
    dtype: Dtype,
    source: DtypeArrays[Dtype],
    offset: number,
    shape: readonly number[],
    stride: readonly number[],
  ): DtypeArrays[Dtype] {
    const count = elementCount(shape);
    if (count === 0) return source.subarray(0, 0);
    if (isRowMajor(shape, stride)) return source.subarray(offset, offset + count);
    this.allowance.charge(count * source.BYTES_PER_ELEMENT);
    return gather(dtype, source, offset, shape, stride, count);
  }

  private integer(value: unknown, what: string): number {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      this.fail(`expected ${what} to be a non-negative integer, found another value`);
    }
    return value;
  }

  private integers(value: unknown, what: string): number[] {
    // The length first: a pickle can pass one long list many times.
    if (!Array.isArray(value) || value.length > MAX_RANK) {
      this.fail(`expected ${what} to be a tuple of at most ${MAX_RANK} integers, found another value`);
    }
    return (value as unknown[]).map((v) => this.integer(v, what));
  }

  private fail(what: string): never {
    throw new InputError(`${this.label}: ${what}`);
  }
}

/** Keys under which training code keeps a network's weights, best first (BasicSR's smoothed weights before the raw). */
const WRAPPERS = ['params_ema', 'params', 'state_dict', 'model_state_dict'];

/**
 * The named tensors of a checkpoint: under `key` if one is given; else under the first of `params_ema`, `params`,
 * `state_dict`, `model_state_dict` that is there; else the checkpoint itself if it is a bare dictionary of tensors.
 * Entries that are not tensors are refused. `label` names the file in errors.
 */
export function stateDictOf(
  checkpoint: PyTorchValue,
  label: string,
  key?: string,
): Map<string, StoredTensor> {
  if (!isDictionary(checkpoint)) {
    throw new InputError(`${label}: expected a dictionary of tensors, found ${describe(checkpoint)}`);
  }
  const found = key ?? WRAPPERS.find((name) => checkpoint.has(name));
  const where = found === undefined ? '' : ` under ${quoted(found)}`;
  const state = found === undefined ? checkpoint : checkpoint.get(found);
  const keys = [...checkpoint.keys()].slice(0, 12).map((name) => quoted(String(name)));
  if (!isDictionary(state)) {
    throw new InputError(
      `${label}: expected a dictionary of tensors${where}, found ${describe(state)}; its keys are ${keys.join(', ')}`,
    );
  }
  const tensors = new Map<string, StoredTensor>();
  for (const [name, value] of state) {
    if (typeof name !== 'string' || !isTensor(value)) {
      throw new InputError(
        `${label}: expected a dictionary of tensors${where}, found ${describe(value)} at ${quoted(String(name))}` +
          (found === undefined ? `; its keys are ${keys.join(', ')}` : ''),
      );
    }
    tensors.set(name, value);
  }
  if (tensors.size === 0)
    throw new InputError(`${label}: expected a dictionary of tensors${where}, found an empty one`);
  return tensors;
}

function isDictionary(
  value: PyTorchValue | undefined,
): value is ReadonlyMap<string | number | boolean | null, PyTorchValue> {
  return value instanceof Map;
}

function describe(value: PyTorchValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'None';
  if (isTensor(value)) return 'a tensor';
  if (isDictionary(value)) return 'a dictionary';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}
