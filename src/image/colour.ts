import { blankImage, type Image } from './image';
import { roundHalfToEven } from './quantise';

/**
 * Colour conversions: five ways to grey that image-quality code uses side by side (each named after its program,
 * because swapping them moves PSNR by decibels and NIQE by tenths), the sRGB transfer curve, and CIELAB.
 *
 * The conversions to grey take 8-bit RGB, interleaved (`toUint8` of a picture), and give one value a pixel on the
 * 0..255 scale. BT.601 luma Y reaches from 16 (black) to 235 (white).
 */

/** BT.601 luma of RGB in [0,1]: Y = 16 + 65.481 R + 128.553 G + 24.966 B. */
const YCBCR = [65.481, 128.553, 24.966] as const;
/** Luma of YIQ. */
const YIQ = [0.299, 0.587, 0.114] as const;

/**
 * Y of MATLAB's `rgb2ycbcr` on uint8: the formula in float64, rounded half up. The official PIRM perceptual index uses it.
 */
export function lumaMatlab(rgb: Uint8Array): Uint8Array {
  const y = new Uint8Array(rgb.length / 3);
  const [red, green, blue] = YCBCR;
  for (let i = 0; i < y.length; i++) {
    const sum = red * rgb[3 * i] + green * rgb[3 * i + 1] + blue * rgb[3 * i + 2];
    y[i] = Math.floor(sum / 255 + 16 + 0.5);
  }
  return y;
}

/**
 * Y of BasicSR's `to_y_channel`, not rounded to integers: rgb/255 in float32, the weighted sum in float64, + 16,
 * / 255, to float32, times 255 in float32. DAT's PSNR and SSIM, so the paper's Tables 1 and 2, use it.
 */
export function lumaBasicsr(rgb: Uint8Array): Float32Array {
  const y = new Float32Array(rgb.length / 3);
  const [red, green, blue] = YCBCR.map((w) => Float64Array.from(UNIT, (x) => x * w));
  for (let i = 0; i < y.length; i++) {
    const sum = blue[rgb[3 * i + 2]] + green[rgb[3 * i + 1]] + red[rgb[3 * i]] + 16;
    y[i] = Math.fround(sum / 255) * 255;
  }
  return y;
}

/** Y of pyiqa's `pi`: the same weights, all in float32, rounded half to even. */
export function lumaPyiqa(rgb: Uint8Array): Uint8Array {
  return weighFloat32(rgb, YCBCR, (t) => Math.fround(Math.fround(t + 16) / 255));
}

/** YIQ luma of pyiqa's `niqe` and `nrqm`, all in float32, rounded half to even. */
export function greyPyiqa(rgb: Uint8Array): Uint8Array {
  return weighFloat32(rgb, YIQ, (t) => t);
}

/** MATLAB's `rgb2gray` on uint8, rounded half up: the official NIQE and NRQM on colour pictures. */
export function greyMatlab(rgb: Uint8Array): Uint8Array {
  const grey = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < grey.length; i++) {
    const sum =
      0.298936021293775 * rgb[3 * i] +
      0.587043074451121 * rgb[3 * i + 1] +
      0.114020904255103 * rgb[3 * i + 2];
    grey[i] = Math.floor(sum + 0.5);
  }
  return grey;
}

/** v/255 in float32. */
const UNIT = Float32Array.from({ length: 256 }, (_, v) => v / 255);

/**
 * PyTorch's float32 matrix product over R, G, B in this order, each step a fused multiply-add: the product of two
 * float32 is exact in a double, so one `fround` after the addition is that rounding. Other orders change pixels,
 * because 299 R + 587 G + 114 B often hits an exact half.
 */
function weighFloat32(
  rgb: Uint8Array,
  weights: readonly [number, number, number],
  shift: (t: number) => number,
): Uint8Array {
  const [wr, wg, wb] = weights.map(Math.fround);
  const grey = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < grey.length; i++) {
    let t = Math.fround(UNIT[rgb[3 * i]] * wr);
    t = Math.fround(UNIT[rgb[3 * i + 1]] * wg + t);
    t = Math.fround(UNIT[rgb[3 * i + 2]] * wb + t);
    grey[i] = roundHalfToEven(Math.fround(shift(t) * 255));
  }
  return grey;
}

/**
 * YIQ luma of an RGB picture as a plane of one channel, not rounded to whole levels.
 * @param white what a value of 1 becomes: 255 gives grey levels
 */
export function lumaPlane({ width, height, data }: Image, white = 1): Image {
  const plane = blankImage(width, height, 1);
  const [r, g, b] = YIQ;
  for (let i = 0; i < plane.data.length; i++) {
    plane.data[i] = white * (r * data[3 * i] + g * data[3 * i + 1] + b * data[3 * i + 2]);
  }
  return plane;
}

/** Encoded sRGB in [0,1] to linear light in [0,1] (IEC 61966-2-1); below 0 the straight part goes on. */
export function srgbToLinear(v: number): number {
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
}

/** Linear light in [0,1] to encoded sRGB in [0,1], the inverse of `srgbToLinear`. */
export function linearToSrgb(v: number): number {
  return v <= 0.0031308 ? v * 12.92 : 1.055 * v ** (1 / 2.4) - 0.055;
}

/** Linear sRGB to CIE XYZ (D65), row by row, with the digits that scikit-image and OpenCV use. */
const XYZ_OF_RGB = [0.412453, 0.35758, 0.180423, 0.212671, 0.71516, 0.072169, 0.019334, 0.119193, 0.950227];
/** Its inverse. */
const RGB_OF_XYZ = [
  3.2404813432, -1.5371515163, -0.4985363262, -0.96925495, 1.8759900015, 0.0415559266, 0.0556466391,
  -0.2040413384, 1.0573110696,
];
/** D65, 2 degrees, as they have it. RGB white is XYZ (0.950456, 1, 1.088754), so greys have |a*|, |b*| up to 0.005. */
const WHITE = [0.95047, 1, 1.08883];

/**
 * Encoded sRGB in [0,1] to CIELAB under D65: channels L* in [0,100], a*, b* (about -110..110). Distances in this
 * space are Delta E 1976.
 */
export function rgbToLab(image: Image): Image {
  return mapPixels(image, (r, g, b, out) => {
    const m = XYZ_OF_RGB;
    [r, g, b] = [srgbToLinear(r), srgbToLinear(g), srgbToLinear(b)];
    const fx = labCurve((m[0] * r + m[1] * g + m[2] * b) / WHITE[0]);
    const fy = labCurve((m[3] * r + m[4] * g + m[5] * b) / WHITE[1]);
    const fz = labCurve((m[6] * r + m[7] * g + m[8] * b) / WHITE[2]);
    out[0] = 116 * fy - 16;
    out[1] = 500 * (fx - fy);
    out[2] = 200 * (fy - fz);
  });
}

/** CIELAB under D65 to encoded sRGB; colours outside sRGB come out below 0 or above 1. */
export function labToRgb(image: Image): Image {
  return mapPixels(image, (l, a, b, out) => {
    const m = RGB_OF_XYZ;
    const fy = (l + 16) / 116;
    const x = WHITE[0] * labCurveInverse(fy + a / 500);
    const y = WHITE[1] * labCurveInverse(fy);
    const z = WHITE[2] * labCurveInverse(fy - b / 200);
    for (let c = 0; c < 3; c++) out[c] = linearToSrgb(m[3 * c] * x + m[3 * c + 1] * y + m[3 * c + 2] * z);
  });
}

/** CIE 15: cube root, with a straight piece near black; constants rounded as in scikit-image and OpenCV. */
function labCurve(t: number): number {
  return t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116;
}

function labCurveInverse(f: number): number {
  return f > 6 / 29 ? f ** 3 : (f - 16 / 116) / 7.787;
}

type PixelMap = (a: number, b: number, c: number, out: Float64Array) => void;

function mapPixels(image: Image, map: PixelMap): Image {
  if (image.channels !== 3) throw new RangeError(`expected 3 channels, found ${image.channels}`);
  const data = new Float32Array(image.data.length);
  const out = new Float64Array(3);
  for (let i = 0; i < data.length; i += 3) {
    map(image.data[i], image.data[i + 1], image.data[i + 2], out);
    for (let c = 0; c < 3; c++) data[i + c] = out[c];
  }
  return { ...image, data };
}
