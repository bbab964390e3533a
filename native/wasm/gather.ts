import { copyRun } from './run';

/** out[i] = x[indices[i]] for rows of `row` bytes; the indices (int32) lie inside. Unit: rows of out. */
export function gather(x: usize, indices: usize, out: usize, row: i32, begin: i32, end: i32): void {
  for (let i = begin; i < end; i++) copyRun(x + load<i32>(indices + (i << 2)) * row, out + i * row, row);
}
