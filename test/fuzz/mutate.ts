/** Random edits of a file's bytes. */
import type { Random } from '../../src/util/random';

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

/**
 * One random edit, or up to four.
 * @param tokens what the format is made of: one of them takes the place of a byte, or is squeezed in
 */
export function mutate(bytes: Uint8Array, random: Random, tokens: readonly string[] = []): Buffer {
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
      case 2: // another token, in place or squeezed in
        out = Buffer.concat([
          head,
          Buffer.from(tokens.length === 0 ? '' : random.pick(tokens), 'latin1'),
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
