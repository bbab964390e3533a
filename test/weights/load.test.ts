import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../../src/util/errors';
import { parseWeights, readWeights } from '../../src/weights/load';
import { encodePyTorch, writePyTorch } from '../../src/weights/pytorch-write';
import { encodeSafetensors, writeSafetensors } from '../../src/weights/safetensors';
import type { StoredTensor } from '../../src/weights/tensor-file';
import { float32Tensor, storedTensor } from '../../src/weights/tensor-file';
import { NO_SHARED, SHARED, shared } from '../shared';

const folder = mkdtempSync(join(tmpdir(), 'mimicsr-weights-'));
afterAll(() => rmSync(folder, { recursive: true }));

const STATE = new Map<string, StoredTensor>([
  ['module.conv.weight', float32Tensor([1, 2], Float32Array.of(1, 2))],
  ['module.bn.running_mean', storedTensor('F64', [1], Float64Array.of(0.5))],
  ['module.bn.num_batches_tracked', storedTensor('I64', [], BigInt64Array.of(7n))],
  ['module.attn.relative_position_index', storedTensor('I64', [1], BigInt64Array.of(0n))],
  ['module.attn_mask', float32Tensor([1], Float32Array.of(-100))],
  ['half', storedTensor('F16', [2], Uint16Array.of(0x3c00, 0xb800))],
]);
const EXPECTED = new Map([
  ['conv.weight', { shape: [1, 2], data: Float32Array.of(1, 2) }],
  ['bn.running_mean', { shape: [1], data: Float32Array.of(0.5) }],
  ['half', { shape: [2], data: Float32Array.of(1, -0.5) }],
]);

describe('weights of any format', () => {
  it('are told by content, not by name, and come out plain: float32, no prefix, no derived buffers', () => {
    writeSafetensors(join(folder, 'a.pth'), STATE);
    writePyTorch(join(folder, 'b.safetensors'), STATE);
    writePyTorch(join(folder, 'c.bin'), STATE, 'params_ema');
    for (const name of ['a.pth', 'b.safetensors', 'c.bin']) {
      expect(readWeights(join(folder, name))).toEqual(EXPECTED);
    }
    expect(readWeights(join(folder, 'c.bin'), 'params_ema')).toEqual(EXPECTED);
  });

  it('in safetensors whose header length spells the opening of a pickle or a ZIP archive are still safetensors', () => {
    for (const length of [0x80, 0x4b50]) {
      const weight = new Map([['w', float32Tensor([1], Float32Array.of(3))]]);
      const [, json, , data] = encodeSafetensors(weight);
      const prefix = Buffer.alloc(8);
      prefix.writeBigUInt64LE(BigInt(length));
      const bytes = Buffer.concat([prefix, json, Buffer.alloc(length - json.length, ' '), data]);
      expect(parseWeights(bytes, 'x').get('w')!.data).toEqual(Float32Array.of(3));
    }
  });

  it('that are not finite are refused by tensor and index', () => {
    for (const [value, bits] of [
      [NaN, 0x7e00],
      [-Infinity, 0xfc00],
    ]) {
      const f32 = new Map([['conv.weight', float32Tensor([3], Float32Array.of(0, value, 0))]]);
      const f16 = new Map([['conv.weight', storedTensor('F16', [3], Uint16Array.of(0, bits, 0))]]);
      for (const chunks of [
        encodeSafetensors(f32),
        encodePyTorch(f32),
        encodeSafetensors(f16),
        encodePyTorch(f16),
      ]) {
        expect(() => parseWeights(Buffer.concat(chunks), 'x.pth')).toThrow(
          `x.pth: tensor 'conv.weight': expected finite weights, found ${value} at index 1 of 3`,
        );
      }
    }
  });

  it.each([
    ['', 'found an empty one'],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0', 'a Git LFS pointer'],
    ['<!DOCTYPE html><html>', 'a web page'],
    ['\x89PNG\r\n\x1a\n01234567', 'another kind of file'],
  ])('are not found in %j', (content, found) => {
    const path = join(folder, 'other.pth');
    writeFileSync(path, content);
    expect(() => readWeights(path)).toThrow(InputError);
    expect(() => readWeights(path)).toThrow(
      `${path}: expected a safetensors file or a PyTorch checkpoint, found`,
    );
    expect(() => readWeights(path)).toThrow(found);
  });

  it('are missed in a file of integers', () => {
    const counters = new Map([['step', storedTensor('I64', [1], BigInt64Array.of(1n))]]);
    expect(() => parseWeights(Buffer.concat(encodeSafetensors(counters)), 'x')).toThrow(
      /expected weights, found no tensor/,
    );
  });
});

describe.skipIf(!SHARED)(`real weights (${NO_SHARED})`, () => {
  it('raft-small is the same from its .pth and from its safetensors', () => {
    const converted = readWeights(shared('data', 'weights', 'raft-small.safetensors'));
    const original = readWeights(shared('data', 'weights', 'raft-small.pth'));
    expect([...original.keys()].sort()).toEqual([...converted.keys()].sort());
    for (const [name, { shape, data }] of original) {
      const other = converted.get(name)!;
      expect(shape).toEqual(other.shape);
      expect(data.every((value, i) => value === other.data[i])).toBe(true);
    }
  });
});
