import type { Image } from './image';
import { InputError } from '../util/errors';

/**
 * Between float pictures and the 8- or 16-bit integers of files.
 *
 * The 8-bit rule is the one that BasicSR's `tensor2img` applies before it writes or scores a network's output: clamp
 * to [0,1], times 255 in float32, round half to even. So a metric of a picture in memory equals the metric of the file
 * that it would have been written to.
 */

/**
 * `x` rounded to the nearest integer, exact halves to the even one (as numpy's and torch's `round`; `Math.round` takes
 * halves up). Adding 1.5 * 2^52 pushes the fraction off the mantissa, and the hardware rounds it by just this rule.
 * For |x| < 2^51.
 */
export function roundHalfToEven(x: number): number {
  return x + 6755399441055744 - 6755399441055744;
}

/**
 * The picture as 8-bit integers, same layout: round(255 * clamp(v, 0, 1)), halves to even.
 * @throws InputError on a value that is not finite: a diverged network must not turn into grey levels.
 */
export function toUint8(image: Image): Uint8Array {
  const { data } = image;
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const v = data[i];
    if (!Number.isFinite(v)) throw notFinite(image, i);
    out[i] = v <= 0 ? 0 : v >= 1 ? 255 : roundHalfToEven(Math.fround(v * 255));
  }
  return out;
}

/**
 * The picture as 16-bit integers, same layout: round(65535 * clamp(v, 0, 1)), halves to even.
 * @throws InputError on a value that is not finite.
 */
export function toUint16(image: Image): Uint16Array {
  const { data } = image;
  const out = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const v = data[i];
    if (!Number.isFinite(v)) throw notFinite(image, i);
    out[i] = v <= 0 ? 0 : v >= 1 ? 65535 : roundHalfToEven(v * 65535);
  }
  return out;
}

/** 8- or 16-bit integers (row-major, channels last) as a float picture: value/255 or value/65535 in float32. */
export function fromIntegers(
  values: Uint8Array | Uint16Array,
  width: number,
  height: number,
  channels: number,
): Image {
  if (values.length !== width * height * channels) {
    throw new RangeError(`${values.length} values do not fill ${width}x${height}x${channels}`);
  }
  const peak = values instanceof Uint16Array ? 65535 : 255;
  const data = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) data[i] = values[i] / peak;
  return { width, height, channels, data };
}

function notFinite(image: Image, i: number): InputError {
  const pixel = Math.floor(i / image.channels);
  const [x, y] = [pixel % image.width, Math.floor(pixel / image.width)];
  return new InputError(
    `image holds ${image.data[i]} at x ${x}, y ${y}, channel ${i % image.channels}: expected finite values`,
  );
}
