/**
 * Mutated weight files: whatever the bytes, the readers return sound weights or refuse with an InputError, in less than
 * two seconds, with less memory than four times the file and 64 MiB.
 *
 * MUTATIONS sets how many of each format are tried (`MUTATIONS=10000 npx vitest run test/weights/fuzz.test.ts`). A failure
 * names the mutation's number; each is drawn from its own seed, so FIRST=number MUTATIONS=1 repeats it alone.
 */
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/util/errors';
import { Random } from '../../src/util/random';
import { parseWeights } from '../../src/weights/load';
import { encodeSafetensors } from '../../src/weights/safetensors';
import type { StoredTensor } from '../../src/weights/tensor-file';
import { elementCount, float32Tensor, storedTensor } from '../../src/weights/tensor-file';
import { bytesOfOpcodes, floats, oldForm, pickle, tensor, text, zipForm } from './forge';
import { peakMemoryOf } from './peak-memory';

const MUTATIONS = Number(process.env.MUTATIONS ?? 1500);
const FIRST = Number(process.env.FIRST ?? 0);
const MIB = 2 ** 20;

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

const INTEGERS = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  2n ** 53n,
  -1n,
];
const OPCODES =
  '.(0)]}tauesRbQqrhjcKMJGNX\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x93\x94\x95\x96\x97SIilodPOp2';

/** One random edit, or up to four. */
function mutate(bytes: Uint8Array, random: Random): Buffer {
  let out = Buffer.from(bytes);
  for (let edits = random.chance(0.6) ? 1 : random.integer(2, 4); edits > 0; edits--) {
    const at = random.integer(0, Math.max(out.length - 1, 0));
    const span = random.integer(1, Math.min(32, Math.max(out.length - at, 1)));
    const head = out.subarray(0, at);
    switch (random.integer(0, 8)) {
      case 0: // flip a bit
        if (out.length > 0) out[at] ^= 1 << random.integer(0, 7);
        break;
      case 1: // another byte
        if (out.length > 0) out[at] = random.integer(0, 255);
        break;
      case 2: // another opcode, in place or squeezed in
        out = Buffer.concat([
          head,
          bytesOfOpcodes(random.pick([...OPCODES])),
          out.subarray(at + random.integer(0, 1)),
        ]);
        break;
      case 3: // another length, offset or count
        if (out.length >= 8) {
          const size = random.pick([1, 2, 4, 8]);
          const near = BigInt(out.length) + BigInt(random.integer(-2, 2));
          const number = Buffer.alloc(8);
          number.writeBigInt64LE(random.pick([...INTEGERS, near]));
          out.set(number.subarray(0, size), Math.min(at, out.length - size));
        }
        break;
      case 4: // truncate
        out = Buffer.from(head);
        break;
      case 5: // delete
        out = Buffer.concat([head, out.subarray(at + span)]);
        break;
      case 6: // repeat
        out = Buffer.concat([
          out.subarray(0, at + span),
          ...Array<Buffer>(random.integer(1, 50)).fill(out.subarray(at, at + span)),
          out.subarray(at + span),
        ]);
        break;
      case 7: // move
        out.copyWithin(random.integer(0, Math.max(out.length - 1, 0)), at, at + span);
        break;
      case 8: // another digit, where there is text
        for (let i = at; i < out.length; i++) {
          if (out[i] < 0x30 || out[i] > 0x39) continue;
          out[i] = random.integer(0x30, 0x39);
          break;
        }
        break;
    }
  }
  return out;
}

const safetensors = Buffer.concat(encodeSafetensors(STATE, { step: '1', note: 'a "quoted" \u00fc' }));
const headerEnd = 8 + Number(safetensors.readBigUInt64LE(0));

/** Each format: how to mutate its bytes, and, so that mutations get past the checksums, its innards. */
const FORMATS: Record<string, { whole: Buffer; mutated: (random: Random) => Buffer }> = {
  safetensors: { whole: safetensors, mutated: (random) => mutate(safetensors, random) },
  'safetensors with a mutated header of the right length': {
    whole: safetensors,
    mutated: (random) => {
      const header = mutate(safetensors.subarray(8, headerEnd), random);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      return Buffer.concat([length, header, safetensors.subarray(headerEnd)]);
    },
  },
  'ZIP form': {
    whole: zipForm(OBJECT, STORAGES),
    mutated: (random) => mutate(zipForm(OBJECT, STORAGES), random),
  },
  'ZIP form with a mutated pickle and right checksums': {
    whole: zipForm(OBJECT, STORAGES),
    mutated: (random) => zipForm(mutate(OBJECT, random), STORAGES),
  },
  'old form': {
    whole: oldForm(OBJECT, STORAGES),
    mutated: (random) => mutate(oldForm(OBJECT, STORAGES), random),
  },
};

describe.each(Object.entries(FORMATS))('%s', (format, { whole, mutated }) => {
  it('is read as it is', () => {
    const weights = parseWeights(whole, 'whole');
    expect(weights.size).toBe(3);
  });

  it(`mutated ${MUTATIONS} times is read soundly or refused, fast and in bounds`, () => {
    const counts = { read: 0, refused: 0 };
    for (let i = FIRST; i < FIRST + MUTATIONS; i++) {
      const bytes = mutated(new Random('weights', format, i));
      const start = performance.now();
      const grown = peakMemoryOf(() => {
        try {
          for (const [name, { shape, data }] of parseWeights(bytes, 'mutated')) {
            if (data.length !== elementCount(shape)) throw new Error(`${name} does not fill its shape`);
          }
          counts.read++;
        } catch (error) {
          if (!(error instanceof InputError)) throw new Error(`mutation ${i}`, { cause: error });
          counts.refused++;
        }
      });
      const milliseconds = performance.now() - start;
      if (milliseconds > 2000) throw new Error(`mutation ${i} took ${milliseconds} ms`);
      if (grown > 4 * bytes.length + 64 * MIB) throw new Error(`mutation ${i} took ${grown} bytes`);
    }
    if (process.env.MUTATIONS === undefined) {
      // Mutations that are never read, or never refused, would test nothing.
      expect(counts.read).toBeGreaterThan(MUTATIONS / 100);
      expect(counts.refused).toBeGreaterThan(MUTATIONS / 4);
    }
  }, 600_000);
});
