/** Mutated weight files (`fuzz.ts`). */
import { describe, expect, it } from 'vitest';
import type { Random } from '../../src/util/random';
import { parseWeights } from '../../src/weights/load';
import { encodeSafetensors } from '../../src/weights/safetensors';
import type { StoredTensor } from '../../src/weights/tensor-file';
import { elementCount, float32Tensor, storedTensor } from '../../src/weights/tensor-file';
import { floats, oldForm, pickle, tensor, text, zipForm } from '../weights/forge';
import { fuzz } from './fuzz';
import { mutate } from './mutate';

const OPCODES = [
  ...'.(0)]}tauesRbQqrhjcKMJGNX\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x93\x94\x95\x96\x97SIilodPOp2',
];

const STATE = new Map<string, StoredTensor>([
  ['conv.weight', float32Tensor([2, 3, 1, 2], new Float32Array(12).fill(0.25))],
  ['module.norm.bias', storedTensor('F16', [4], new Uint16Array(4).fill(0x3c00))],
  ['double', storedTensor('F64', [3], Float64Array.of(1, 2, 3))],
  ['steps', storedTensor('I64', [], BigInt64Array.of(5n))],
]);

/** Every kind of view, wrapper and value that the pickle machine knows, in one object. */
const OBJECT = pickle(
  ...['}q\x00(', text('epoch'), 'K\x07', text('lr'), 'G\x3f\xf0\x00\x00\x00\x00\x00\x00', text('best'), 'N'],
  ...[text('betas'), '\x88\x89\x86', text('log'), '](K\x01M\x01\x00J\xff\xff\xff\xff\x8a\x01\x02e'],
  ...[text('params'), 'ccollections\nOrderedDict\nq\x01)R('],
  ...[text('module.a'), tensor({ count: 6, size: [2, 3], stride: [3, 1] })],
  ...[text('t'), tensor({ count: 6, size: [3, 2], stride: [1, 3] })],
  ...[text('wide'), tensor({ count: 6, offset: 2, size: [5, 4], stride: [0, 1] }), 'u'],
  ...['}', text('_metadata'), 'h\x01)Rsb'],
  ...[
    text('p'),
    'ctorch._utils\n_rebuild_parameter\n(',
    tensor({ key: '1', count: 1, size: [], stride: [] }),
  ],
  ...['\x88h\x01)RtR', text('size'), 'ctorch\nSize\nK\x02K\x03\x86\x85R', 'u'],
);
const STORAGES = { '0': floats(1, 2, 3, 4, 5, 6), '1': floats(7) };

const safetensors = Buffer.concat(encodeSafetensors(STATE, { step: '1', note: 'a "quoted" \u00fc' }));
const headerEnd = 8 + Number(safetensors.readBigUInt64LE(0));

/** Each format: how to mutate its bytes, and, so that mutations get past the checksums, its innards. */
const FORMATS: Record<string, { whole: Buffer; mutated: (random: Random) => Buffer }> = {
  safetensors: { whole: safetensors, mutated: (random) => mutate(safetensors, random, OPCODES) },
  'safetensors with a mutated header of the right length': {
    whole: safetensors,
    mutated: (random) => {
      const header = mutate(safetensors.subarray(8, headerEnd), random, OPCODES);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      return Buffer.concat([length, header, safetensors.subarray(headerEnd)]);
    },
  },
  'ZIP form': {
    whole: zipForm(OBJECT, STORAGES),
    mutated: (random) => mutate(zipForm(OBJECT, STORAGES), random, OPCODES),
  },
  'ZIP form with a mutated pickle and right checksums': {
    whole: zipForm(OBJECT, STORAGES),
    mutated: (random) => zipForm(mutate(OBJECT, random, OPCODES), STORAGES),
  },
  'old form': {
    whole: oldForm(OBJECT, STORAGES),
    mutated: (random) => mutate(oldForm(OBJECT, STORAGES), random, OPCODES),
  },
};

describe.each(Object.entries(FORMATS))('%s', (format, { whole, mutated }) => {
  it('is read as it is', () => {
    const weights = parseWeights(whole, 'whole');
    expect(weights.size).toBe(3);
  });

  fuzz(format, {
    mutated,
    read: (bytes) => {
      for (const [name, { shape, data }] of parseWeights(bytes, 'mutated')) {
        if (data.length !== elementCount(shape)) throw new Error(`${name} does not fill its shape`);
      }
    },
  });
});
