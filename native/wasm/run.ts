/** Runs of contiguous bytes, multiples of 4. */

/** Above this many bytes the engine's own copy is faster than a loop of vectors. */
const LONG: i32 = 1024;

// @ts-ignore: decorator
@inline
export function copyRun(from: usize, to: usize, bytes: i32): void {
  if (bytes >= LONG) {
    memory.copy(to, from, bytes);
    return;
  }
  let i = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(to + i, v128.load(from + i));
  for (; i < bytes; i += 4) store<u32>(to + i, load<u32>(from + i));
}

// @ts-ignore: decorator
@inline
export function zeroRun(to: usize, bytes: i32): void {
  if (bytes >= LONG) {
    memory.fill(to, 0, bytes);
    return;
  }
  let i = 0;
  for (; i + 16 <= bytes; i += 16) v128.store(to + i, f32x4.splat(0));
  for (; i < bytes; i += 4) store<u32>(to + i, 0);
}
