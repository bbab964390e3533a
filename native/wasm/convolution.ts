/**
 * Convolution as a matrix product whose left side is read straight from the image: an output pixel is the sum, over
 * `runRows` x `runColumns` runs of contiguous input floats, of run times filter rows (a run is a filter row's pixels where
 * the dilation is 1, else one pixel). Four pixels of an output row times eight output channels are held in registers: with
 * two vectors of weights and a factor that is all of the sixteen which x86 has, and unrolling only makes them spill.
 *
 * The image is padded already (place.ts), so there are no borders. The filter is packed into panels of eight output
 * channels (the last one of four where that is enough): the panel's bias, then, for every input value in the order of the
 * runs, its weights. A matrix product is a convolution of a one-row image whose pixels are the left matrix's rows.
 */
import { activate } from './activation';
import { storePart } from './part';

// @ts-ignore: decorator
@inline
function panelWidth(outputs: i32, first: i32): i32 {
  return outputs - first > 4 ? 8 : 4;
}

/**
 * Packs `count` filters, one after the other, each of `taps` x `inputs` x `outputs` values whose distances in floats are
 * given; negative ones turn a filter round. `bias` 0: none. A packed filter takes (taps inputs + 1) ceil4(outputs) floats,
 * with `packedStep` bytes from one to the next. Unit: filters.
 */
export function packFilter(
  filter: usize,
  bias: usize,
  packed: usize,
  taps: i32,
  inputs: i32,
  outputs: i32,
  tapStep: i32,
  inputStep: i32,
  outputStep: i32,
  filterStep: i32,
  packedStep: i32,
  begin: i32,
  end: i32,
): void {
  for (let n = begin; n < end; n++) {
    let to = packed + n * packedStep;
    for (let first = 0; first < outputs; first += 8) {
      const width = panelWidth(outputs, first);
      const used = min(width, outputs - first);
      for (let j = 0; j < width; j++, to += 4) {
        store<f32>(to, bias != 0 && j < used ? load<f32>(bias + ((first + j) << 2)) : 0);
      }
      for (let t = 0; t < taps; t++) {
        let row = filter + n * filterStep + ((t * tapStep + first * outputStep) << 2);
        for (let i = 0; i < inputs; i++, row += inputStep << 2) {
          if (outputStep == 1 && used == 8) {
            v128.store(to, v128.load(row));
            v128.store(to, v128.load(row, 16), 16);
            to += 32;
            continue;
          }
          let from = row;
          if (used == 8) {
            const step = outputStep << 2;
            v128.store(to, loadFour(from, step));
            v128.store(to, loadFour(from + 4 * step, step), 16);
            to += 32;
            continue;
          }
          for (let j = 0; j < width; j++, to += 4, from += outputStep << 2) {
            store<f32>(to, j < used ? load<f32>(from) : 0);
          }
        }
      }
    }
  }
}

/** Four floats `step` bytes apart. */
// @ts-ignore: decorator
@inline
function loadFour(from: usize, step: i32): v128 {
  let v = v128.load32_zero(from);
  v = v128.load_lane<f32>(from + step, v, 1);
  v = v128.load_lane<f32>(from + 2 * step, v, 2);
  return v128.load_lane<f32>(from + 3 * step, v, 3);
}

/**
 * y = f(image * filter + bias) with f(v) = max(v, 0) + slope min(v, 0); slope 1: no activation.
 * Unit: tiles; tile k holds the pixels 4 (k mod ceil(width / 4)) .. + 3 of output row k / ceil(width / 4).
 *
 * @param image padded input; `imageStep`, `rowStep`, `pixelStep`: from one image, output row, output pixel to the next
 * @param packedStep from the filter of one image to that of the next, 0 where they share one
 * @param out [images, height, width, outputs]
 * @param runRowStep `runColumnStep`: from one run to the next; `run`: bytes of one
 */
export function convolve(
  image: usize,
  packed: usize,
  packedStep: i32,
  out: usize,
  height: i32,
  width: i32,
  outputs: i32,
  imageStep: i32,
  rowStep: i32,
  pixelStep: i32,
  runRows: i32,
  runColumns: i32,
  runRowStep: i32,
  runColumnStep: i32,
  run: i32,
  slope: f32,
  begin: i32,
  end: i32,
): void {
  const tilesPerRow = (width + 3) >> 2;
  const inputs = (runRows * runColumns * run) >> 2;
  const outStep = outputs << 2;
  let panel: i32 = 0; // bytes from a filter's start
  for (let first = 0; first < outputs; first += 8) {
    const wide = panelWidth(outputs, first) == 8;
    const used = min(8, outputs - first);
    let k = begin;
    while (k < end) {
      const row = k / tilesPerRow;
      const b = row / height;
      const left = image + b * imageStep + (row - b * height) * rowStep;
      const weights = packed + b * packedStep + panel;
      const rowEnd = min(end, (row + 1) * tilesPerRow);
      let pixel = (k - row * tilesPerRow) << 2;
      for (; k < rowEnd; k++, pixel += 4) {
        const pixels = min(4, width - pixel);
        const x = left + pixel * pixelStep;
        const y = out + (row * width + pixel) * outStep + (first << 2);
        if (wide) {
          tileOf8(x, pixelStep, pixels, weights, y, outStep, used, runRows, runColumns, runRowStep, runColumnStep, run, slope);
        } else {
          tileOf4(x, pixelStep, pixels, weights, y, outStep, used, runRows, runColumns, runRowStep, runColumnStep, run, slope);
        }
      }
    }
    panel += (inputs + 1) << (wide ? 5 : 4);
  }
}

function tileOf8(
  x: usize,
  pixelStep: i32,
  pixels: i32,
  panel: usize,
  y: usize,
  outStep: i32,
  used: i32,
  runRows: i32,
  runColumns: i32,
  runRowStep: i32,
  runColumnStep: i32,
  run: i32,
  slope: f32,
): void {
  // Pixels beyond the row repeat its last one and are not stored.
  const last = (pixels - 1) * pixelStep;
  const d1 = min(pixelStep, last);
  const d2 = min(2 * pixelStep, last);
  const d3 = min(3 * pixelStep, last);
  let w = panel;
  let c00 = v128.load(w);
  let c01 = v128.load(w, 16);
  let c10 = c00;
  let c11 = c01;
  let c20 = c00;
  let c21 = c01;
  let c30 = c00;
  let c31 = c01;
  w += 32;
  for (let r = 0; r < runRows; r++) {
    for (let q = 0; q < runColumns; q++) {
      let a0 = x + r * runRowStep + q * runColumnStep;
      let a1 = a0 + d1;
      let a2 = a0 + d2;
      let a3 = a0 + d3;
      const end = a0 + run;
      while (a0 < end) {
        const w0 = v128.load(w);
        const w1 = v128.load(w, 16);
        let s = v128.load32_splat(a0);
        c00 = f32x4.add(c00, f32x4.mul(s, w0));
        c01 = f32x4.add(c01, f32x4.mul(s, w1));
        s = v128.load32_splat(a1);
        c10 = f32x4.add(c10, f32x4.mul(s, w0));
        c11 = f32x4.add(c11, f32x4.mul(s, w1));
        s = v128.load32_splat(a2);
        c20 = f32x4.add(c20, f32x4.mul(s, w0));
        c21 = f32x4.add(c21, f32x4.mul(s, w1));
        s = v128.load32_splat(a3);
        c30 = f32x4.add(c30, f32x4.mul(s, w0));
        c31 = f32x4.add(c31, f32x4.mul(s, w1));
        a0 += 4;
        a1 += 4;
        a2 += 4;
        a3 += 4;
        w += 32;
      }
    }
  }
  if (slope != 1) {
    c00 = activate(c00, slope);
    c01 = activate(c01, slope);
    c10 = activate(c10, slope);
    c11 = activate(c11, slope);
    c20 = activate(c20, slope);
    c21 = activate(c21, slope);
    c30 = activate(c30, slope);
    c31 = activate(c31, slope);
  }
  store8(y, c00, c01, used);
  if (pixels > 1) store8(y + outStep, c10, c11, used);
  if (pixels > 2) store8(y + 2 * outStep, c20, c21, used);
  if (pixels > 3) store8(y + 3 * outStep, c30, c31, used);
}

/** The same for four output channels. */
function tileOf4(
  x: usize,
  pixelStep: i32,
  pixels: i32,
  panel: usize,
  y: usize,
  outStep: i32,
  used: i32,
  runRows: i32,
  runColumns: i32,
  runRowStep: i32,
  runColumnStep: i32,
  run: i32,
  slope: f32,
): void {
  const last = (pixels - 1) * pixelStep;
  const d1 = min(pixelStep, last);
  const d2 = min(2 * pixelStep, last);
  const d3 = min(3 * pixelStep, last);
  let w = panel;
  let c0 = v128.load(w);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  w += 16;
  for (let r = 0; r < runRows; r++) {
    for (let q = 0; q < runColumns; q++) {
      let a0 = x + r * runRowStep + q * runColumnStep;
      let a1 = a0 + d1;
      let a2 = a0 + d2;
      let a3 = a0 + d3;
      const end = a0 + run;
      while (a0 < end) {
        const w0 = v128.load(w);
        c0 = f32x4.add(c0, f32x4.mul(v128.load32_splat(a0), w0));
        c1 = f32x4.add(c1, f32x4.mul(v128.load32_splat(a1), w0));
        c2 = f32x4.add(c2, f32x4.mul(v128.load32_splat(a2), w0));
        c3 = f32x4.add(c3, f32x4.mul(v128.load32_splat(a3), w0));
        a0 += 4;
        a1 += 4;
        a2 += 4;
        a3 += 4;
        w += 16;
      }
    }
  }
  if (slope != 1) {
    c0 = activate(c0, slope);
    c1 = activate(c1, slope);
    c2 = activate(c2, slope);
    c3 = activate(c3, slope);
  }
  storePart(y, c0, used);
  if (pixels > 1) storePart(y + outStep, c1, used);
  if (pixels > 2) storePart(y + 2 * outStep, c2, used);
  if (pixels > 3) storePart(y + 3 * outStep, c3, used);
}

// @ts-ignore: decorator
@inline
function store8(y: usize, v0: v128, v1: v128, used: i32): void {
  v128.store(y, v0);
  storePart(y + 16, v1, used - 4);
}
