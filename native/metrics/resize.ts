/** Separable resampling of a plane: every output is a weighted sum of `taps` inputs along each axis. */

/**
 * Unit: rows of the output.
 * @param from [height, width]
 * @param rowIndex i32 [outHeight, rowTaps]: rows that an output row is made of, with weights rowWeight; columns likewise
 * @param scratch for each `grain` units: a row of `width`
 * @param out [outHeight, outWidth]
 */
export function resample(
  from: usize,
  width: i32,
  rowIndex: usize,
  rowWeight: usize,
  rowTaps: i32,
  columnIndex: usize,
  columnWeight: usize,
  columnTaps: i32,
  outWidth: i32,
  scratch: usize,
  out: usize,
  grain: i32,
  begin: i32,
  end: i32,
): void {
  const line = <usize>(width << 3);
  const row = scratch + <usize>(begin / grain) * line;
  for (let y = begin; y < end; y++) {
    memory.fill(row, 0, line);
    for (let k = 0; k < rowTaps; k++) {
      const tap = y * rowTaps + k;
      const weight = load<f64>(rowWeight + <usize>(tap << 3));
      const input = from + <usize>load<i32>(rowIndex + <usize>(tap << 2)) * line;
      for (let at: usize = 0; at < line; at += 8) {
        store<f64>(row + at, load<f64>(row + at) + weight * load<f64>(input + at));
      }
    }
    const to = out + <usize>((y * outWidth) << 3);
    let index = columnIndex;
    let weight = columnWeight;
    for (let x = 0; x < outWidth; x++) {
      let sum: f64 = 0;
      for (let k = 0; k < columnTaps; k++) {
        sum += load<f64>(weight) * load<f64>(row + <usize>(load<i32>(index) << 3));
        index += 4;
        weight += 8;
      }
      store<f64>(to + <usize>(x << 3), sum);
    }
  }
}
