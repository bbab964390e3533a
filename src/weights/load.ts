/**
 * Weights from a file of any known format, ready for a network: a flat map of float32 tensors under plain names.
 *
 * The format is told by the file's first bytes, not by its name. Which names a network expects, and in which layout, is
 * the network's own matter; here nothing is renamed but a leading `module.`.
 */
import { InputError } from '../util/errors';
import { isDerivedBuffer, stripModulePrefix } from './key-maps';
import type { Allowance } from './pickle';
import { contentAllowance, looksLikePyTorch, parsePyTorch, stateDictOf } from './pytorch';
import { looksLikeSafetensors, parseSafetensors } from './safetensors';
import type { StoredTensor, TensorRecord } from './tensor-file';
import { isFloat, quoted, readWeightFile, toFloat32 } from './tensor-file';

/**
 * Reads the weights in a safetensors file or a PyTorch checkpoint (`.pth`, `.pt`, either form). Of a checkpoint, the
 * state dict below `key`, or the one that `stateDictOf` finds. Names lose a leading `module.`; derived buffers (see
 * `isDerivedBuffer`) and integer tensors are left out; every value is finite.
 *
 * Throws an InputError that names the file and, where there is one, the tensor.
 */
export function readWeights(path: string, key?: string): Map<string, TensorRecord> {
  return parseWeights(readWeightFile(path), path, key);
}

/** As `readWeights`, from bytes; `label` names them in errors. */
export function parseWeights(bytes: Uint8Array, label: string, key?: string): Map<string, TensorRecord> {
  const allowance = contentAllowance(bytes.length, label);
  const stored = storedIn(bytes, label, allowance, key);
  const weights = new Map<string, TensorRecord>();
  for (const [name, tensor] of stripModulePrefix(stored, label)) {
    if (isDerivedBuffer(name) || !isFloat(tensor.dtype)) continue;
    if (tensor.dtype !== 'F32') allowance.charge(4 * tensor.data.length);
    weights.set(name, { shape: tensor.shape, data: finite(tensor, name, label) });
  }
  if (weights.size === 0)
    throw new InputError(`${label}: expected weights, found no tensor of floating-point numbers`);
  return weights;
}

/**
 * The tensors of a file's bytes as they are stored: of every type, buffers included, any values. Names lose a leading
 * `module.`. For copying weights from one format to another; `key` and `label` as in `parseWeights`.
 */
export function parseStored(bytes: Uint8Array, label: string, key?: string): Map<string, StoredTensor> {
  const stored = storedIn(bytes, label, contentAllowance(bytes.length, label), key);
  return stripModulePrefix(stored, label);
}

/** The values as float32, none of them NaN or infinite. */
function finite(tensor: StoredTensor, name: string, label: string): Float32Array {
  const data = toFloat32(tensor);
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) continue;
    throw new InputError(
      `${label}: tensor ${quoted(name)}: expected finite weights, found ${data[i]} at index ${i} of ${data.length}`,
    );
  }
  return data;
}

/** The tensors of a file by its opening: a header's brace after eight bytes of length, or one of PyTorch's two forms. */
function storedIn(
  bytes: Uint8Array,
  label: string,
  allowance: Allowance,
  key?: string,
): Map<string, StoredTensor> {
  // First: a header's length can be any bytes, also those that open a pickle or a ZIP archive.
  if (looksLikeSafetensors(bytes)) return parseSafetensors(bytes, label).tensors;
  if (looksLikePyTorch(bytes)) return stateDictOf(parsePyTorch(bytes, label, allowance), label, key);

  const opening = Buffer.from(bytes.subarray(0, 64)).toString('latin1');
  let found = 'another kind of file';
  if (bytes.length === 0) found = 'an empty one';
  else if (opening.startsWith('version https://git-lfs')) found = 'a Git LFS pointer (fetch the file itself)';
  else if (/^\s*</.test(opening)) found = 'a web page (download the file itself)';
  throw new InputError(`${label}: expected a safetensors file or a PyTorch checkpoint, found ${found}`);
}
