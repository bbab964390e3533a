/** Sum, difference, product and quotient of two arrays, with broadcasting. */
import { loadPart, storePart } from './part';

// @ts-ignore: decorator
@inline
const ADD: i32 = 0;
// @ts-ignore: decorator
@inline
const SUBTRACT: i32 = 1;
// @ts-ignore: decorator
@inline
const MULTIPLY: i32 = 2;
// @ts-ignore: decorator
@inline
const DIVIDE: i32 = 3;

// @ts-ignore: decorator
@inline
function apply(op: i32, a: v128, b: v128): v128 {
  if (op == ADD) return f32x4.add(a, b);
  if (op == SUBTRACT) return f32x4.sub(a, b);
  if (op == MULTIPLY) return f32x4.mul(a, b);
  return f32x4.div(a, b);
}

/** `count` floats; an operand that is `fixed` is one float for all of them. */
// @ts-ignore: decorator
@inline
function line(op: i32, a: usize, aFixed: bool, b: usize, bFixed: bool, out: usize, count: i32): void {
  const end = count & ~3;
  if (bFixed) {
    const s = v128.load32_splat(b);
    for (let i = 0; i < end; i += 4) v128.store(out + (i << 2), apply(op, v128.load(a + (i << 2)), s));
    if (end < count) storePart(out + (end << 2), apply(op, loadPart(a + (end << 2), count - end), s), count - end);
  } else if (aFixed) {
    const s = v128.load32_splat(a);
    for (let i = 0; i < end; i += 4) v128.store(out + (i << 2), apply(op, s, v128.load(b + (i << 2))));
    if (end < count) storePart(out + (end << 2), apply(op, s, loadPart(b + (end << 2), count - end)), count - end);
  } else {
    for (let i = 0; i < end; i += 4) {
      v128.store(out + (i << 2), apply(op, v128.load(a + (i << 2)), v128.load(b + (i << 2))));
    }
    if (end < count) {
      const x = loadPart(a + (end << 2), count - end);
      storePart(out + (end << 2), apply(op, x, loadPart(b + (end << 2), count - end)), count - end);
    }
  }
}

// @ts-ignore: decorator
@inline
function anyLine(op: i32, a: usize, aFixed: bool, b: usize, bFixed: bool, out: usize, count: i32): void {
  if (op == ADD) line(ADD, a, aFixed, b, bFixed, out, count);
  else if (op == SUBTRACT) line(SUBTRACT, a, aFixed, b, bFixed, out, count);
  else if (op == MULTIPLY) line(MULTIPLY, a, aFixed, b, bFixed, out, count);
  else line(DIVIDE, a, aFixed, b, bFixed, out, count);
}

/** out = a op b; an operand that is fixed is a single float. Unit: floats. */
export function binary(
  op: i32,
  a: usize,
  aFixed: bool,
  b: usize,
  bFixed: bool,
  out: usize,
  begin: i32,
  end: i32,
): void {
  const at = begin << 2;
  anyLine(op, aFixed ? a : a + at, aFixed, bFixed ? b : b + at, bFixed, out + at, end - begin);
}

/**
 * out = a op b over n0 x n1 rows of n2 floats, where a0, a1 and b0, b1 are the operands' steps in floats (0: repeated), and
 * an operand that is fixed has one float a row. Unit: rows.
 */
export function binaryRows(
  op: i32,
  a: usize,
  aFixed: bool,
  b: usize,
  bFixed: bool,
  out: usize,
  n1: i32,
  n2: i32,
  a0: i32,
  a1: i32,
  b0: i32,
  b1: i32,
  begin: i32,
  end: i32,
): void {
  let i0 = begin / n1;
  let i1 = begin - i0 * n1;
  for (let row = begin; row < end; row++) {
    const p = a + ((i0 * a0 + i1 * a1) << 2);
    const q = b + ((i0 * b0 + i1 * b1) << 2);
    anyLine(op, p, aFixed, q, bFixed, out + ((row * n2) << 2), n2);
    if (++i1 == n1) {
      i1 = 0;
      i0++;
    }
  }
}

/** y = 1 where x > 0, slope elsewhere, NaN where x is NaN. Unit: floats. */
export function step(x: usize, y: usize, slope: f32, begin: i32, end: i32): void {
  const high = f32x4.splat(1);
  const low = f32x4.splat(slope);
  let i = begin;
  for (; i + 4 <= end; i += 4) v128.store(y + (i << 2), stepOf(v128.load(x + (i << 2)), high, low));
  if (i < end) storePart(y + (i << 2), stepOf(loadPart(x + (i << 2), end - i), high, low), end - i);
}

// @ts-ignore: decorator
@inline
function stepOf(x: v128, high: v128, low: v128): v128 {
  const y = v128.bitselect(high, low, f32x4.gt(x, f32x4.splat(0)));
  return v128.bitselect(y, x, f32x4.eq(x, x));
}

/** y = 1 where x > 0, -1 where x < 0, 0 elsewhere. Unit: floats. */
export function sign(x: usize, y: usize, begin: i32, end: i32): void {
  let i = begin;
  for (; i + 4 <= end; i += 4) v128.store(y + (i << 2), signOf(v128.load(x + (i << 2))));
  if (i < end) storePart(y + (i << 2), signOf(loadPart(x + (i << 2), end - i)), end - i);
}

// @ts-ignore: decorator
@inline
function signOf(x: v128): v128 {
  const zero = f32x4.splat(0);
  const up = v128.and(f32x4.gt(x, zero), f32x4.splat(1));
  return v128.or(up, v128.and(f32x4.lt(x, zero), f32x4.splat(-1)));
}
