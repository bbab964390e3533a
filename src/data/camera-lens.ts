import type { Image } from '../image/image';
import { blankImage, mirror } from '../image/image';
import type { LensBlur } from './camera-options';

/**
 * Lens and sensor of the simulated camera on linear light: an anisotropic Gaussian on the HR grid, then the mean over
 * the 4 x 4 HR pixels of each LR pixel, as one weighted sum per LR pixel. Beyond its edges the picture is its mirror
 * image.
 */

/** HR pixels along one side of an LR pixel. */
const SCALE = 4;

/**
 * The LR picture that the lens and the sensor make of an HR picture: [4h, 4w, 3] to [h, w, 3], any linear values.
 * Without blur it is the plain mean over each LR pixel's area.
 */
export function sampleAreas(hr: Image, blur: LensBlur): Image {
  const gaussian = gaussianKernel(blur);
  const reach = (Math.sqrt(gaussian.length) - 1) / 2;
  const kernel = overArea(gaussian, reach);
  const side = SCALE + 2 * reach;
  const out = blankImage(hr.width / SCALE, hr.height / SCALE);
  // Mirrored indices once per axis, so that the loops below need no case for the borders.
  const columns = Int32Array.from(
    { length: hr.width + 2 * reach },
    (_, i) => 3 * mirror(i - reach, hr.width),
  );
  const line = new Float64Array(3 * columns.length);
  for (let y = 0; y < out.height; y++) {
    const sums = new Float64Array(3 * out.width);
    for (let j = 0; j < side; j++) {
      const row = 3 * hr.width * mirror(SCALE * y + j - reach, hr.height);
      for (let i = 0; i < columns.length; i++) {
        const at = row + columns[i];
        line[3 * i] = hr.data[at];
        line[3 * i + 1] = hr.data[at + 1];
        line[3 * i + 2] = hr.data[at + 2];
      }
      for (let x = 0; x < out.width; x++) {
        let r = 0;
        let g = 0;
        let b = 0;
        for (let k = 0, at = 3 * SCALE * x, w = j * side; k < side; k++, at += 3, w++) {
          r += kernel[w] * line[at];
          g += kernel[w] * line[at + 1];
          b += kernel[w] * line[at + 2];
        }
        sums[3 * x] += r;
        sums[3 * x + 1] += g;
        sums[3 * x + 2] += b;
      }
    }
    out.data.set(sums, 3 * y * out.width);
  }
  return out;
}

/** The narrowest Gaussian that samples on the HR grid represent, HR pixels: anything narrower counts as this wide. */
const NARROWEST = 0.5;

/** The blur on the HR grid: a square of odd side, sum 1, cut where it falls below a thousandth of its peak. */
function gaussianKernel(blur: LensBlur): Float64Array {
  if (blur.major === 0) return Float64Array.of(1);
  const major = Math.max(NARROWEST, SCALE * blur.major); // HR pixels
  const minor = Math.max(NARROWEST, SCALE * blur.minor);
  const reach = Math.ceil(3.7 * major);
  const side = 2 * reach + 1;
  const kernel = new Float64Array(side * side);
  const angle = (blur.angle * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  let sum = 0;
  for (let y = -reach, i = 0; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++, i++) {
      kernel[i] = Math.exp(-(((cos * x + sin * y) / major) ** 2 + ((cos * y - sin * x) / minor) ** 2) / 2);
      sum += kernel[i];
    }
  }
  return kernel.map((w) => w / sum);
}

/** A kernel of half width `reach` summed over every place that it takes within an LR pixel: side 4 + 2 reach, sum 1. */
function overArea(kernel: Float64Array, reach: number): Float64Array {
  const from = 2 * reach + 1;
  const side = from + SCALE - 1;
  const area = new Float64Array(side * side);
  for (let y = 0; y < SCALE; y++) {
    for (let x = 0; x < SCALE; x++) {
      for (let j = 0; j < from; j++) {
        for (let k = 0; k < from; k++) {
          area[(y + j) * side + x + k] += kernel[j * from + k] / (SCALE * SCALE);
        }
      }
    }
  }
  return area;
}
