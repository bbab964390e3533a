/**
 * Writes weights as a `.pth` that `torch.load` reads, also with `weights_only=True`: the ZIP form, pickle protocol 2, and
 * no globals but `OrderedDict`, the tensor constructor and storage classes. Each tensor gets its own storage, row-major.
 */
import { writeFileAtomic } from '../util/write-file';
import type { Dtype, StoredTensor } from './tensor-file';
import { bytesOf, isConsistent } from './tensor-file';
import { encodeStoredZip } from './zip';

const STORAGE_CLASSES: Readonly<Record<Dtype, string | undefined>> = {
  F64: 'DoubleStorage',
  F32: 'FloatStorage',
  F16: 'HalfStorage',
  BF16: 'BFloat16Storage',
  I64: 'LongStorage',
  I32: 'IntStorage',
  I16: 'ShortStorage',
  I8: 'CharStorage',
  U16: undefined, // PyTorch has no storage class for it
  U8: 'ByteStorage',
  BOOL: 'BoolStorage',
};

/**
 * Writes a state dict, in the map's order, atomically and byte for byte the same for the same input. With `under`, the
 * dict stands below that key, as BasicSR and the paper's code keep it (`params`). Throws a RangeError for a tensor whose
 * data does not fill its shape, or whose type PyTorch's files do not know (U16).
 */
export function writePyTorch(path: string, tensors: ReadonlyMap<string, StoredTensor>, under?: string): void {
  writeFileAtomic(path, encodePyTorch(tensors, under));
}

/** The chunks of bytes that `writePyTorch` writes, in order. */
export function encodePyTorch(tensors: ReadonlyMap<string, StoredTensor>, under?: string): Uint8Array[] {
  const pickle = new PickleWriter();
  if (under !== undefined) pickle.op('}').text(under);
  pickle.global('collections', 'OrderedDict').op(')R(');
  let key = 0;
  for (const [name, tensor] of tensors) pickle.text(name).tensor(tensor, name, String(key++));
  pickle.op('u');
  if (under !== undefined) pickle.op('s');

  const entries = new Map<string, readonly Uint8Array[]>([
    ['archive/data.pkl', [pickle.end()]],
    ['archive/byteorder', [Buffer.from('little')]],
  ]);
  key = 0;
  for (const tensor of tensors.values()) entries.set(`archive/data/${key++}`, [bytesOf(tensor.data)]);
  entries.set('archive/version', [Buffer.from('3\n')]);
  return encodeStoredZip(entries);
}

/** Opcodes are written as their characters (docs.python.org/3/library/pickletools). */
class PickleWriter {
  private readonly parts: Uint8Array[] = [Buffer.from([0x80, 2])];

  op(opcodes: string): this {
    this.parts.push(Buffer.from(opcodes, 'latin1'));
    return this;
  }

  text(value: string): this {
    const bytes = Buffer.from(value);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(bytes.length);
    this.op('X').parts.push(size, bytes);
    return this;
  }

  integer(value: number): this {
    const bytes = Buffer.alloc(value < 2 ** 31 ? 4 : 8);
    if (bytes.length === 4) bytes.writeInt32LE(value);
    else bytes.writeBigInt64LE(BigInt(value));
    this.op(bytes.length === 4 ? 'J' : '\x8a\x08').parts.push(bytes);
    return this;
  }

  integers(values: readonly number[]): this {
    this.op('(');
    for (const value of values) this.integer(value);
    return this.op('t');
  }

  global(module: string, name: string): this {
    return this.op(`c${module}\n${name}\n`);
  }

  /** `torch._utils._rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())`. */
  tensor(tensor: StoredTensor, name: string, key: string): this {
    const { dtype, shape, data } = tensor;
    const storage = STORAGE_CLASSES[dtype];
    if (storage === undefined) throw new RangeError(`tensor '${name}': PyTorch files cannot hold ${dtype}`);
    if (!isConsistent(tensor)) {
      throw new RangeError(
        `tensor '${name}': ${data.length} values do not make a ${dtype} tensor of shape [${shape.join(', ')}]`,
      );
    }
    const stride = shape.map((_, d) => shape.slice(d + 1).reduce((n, size) => n * Math.max(size, 1), 1));
    this.global('torch._utils', '_rebuild_tensor_v2').op('(');
    this.op('(').text('storage').global('torch', storage).text(key).text('cpu').integer(data.length).op('tQ');
    this.integer(0).integers(shape).integers(stride).op('\x89');
    return this.global('collections', 'OrderedDict').op(')RtR');
  }

  end(): Uint8Array {
    return Buffer.concat([...this.op('.').parts]);
  }
}
