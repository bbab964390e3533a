import { linearToSrgb, srgbToLinear } from '../image/colour';
import type { Image } from '../image/image';
import { blankImage } from '../image/image';
import type { ColourChange } from './camera-options';

/**
 * The colour change of the simulated camera, in two halves as in a camera: gains on linear light (exposure, white
 * balance, vignetting), which belong before the sensor's noise, and the rendering of encoded values (tone curve and
 * saturation), which comes after it. Vignetting goes by the place in the picture relative to its size, so one change
 * fits an LR picture and its HR picture alike.
 */

/**
 * The picture as the camera would have recoloured it: [h, w, 3], sRGB-encoded, in [0,1], any size; so is the result.
 * Gains above white are cut at white. A neutral change gives the picture back as it is.
 */
export function applyColourChange(image: Image, colour: ColourChange): Image {
  if (isNeutral(colour)) return { ...image, data: image.data.slice() };
  const light = blankImage(image.width, image.height);
  for (let i = 0; i < light.data.length; i++) light.data[i] = srgbToLinear(image.data[i]);
  return renderLight(gainLight(light, colour), colour);
}

/** True if the change leaves every colour as it is. */
export function isNeutral(colour: ColourChange): boolean {
  const { exposure, red, blue, vignetting, gamma, contrast, saturation } = colour;
  return [exposure, red, blue, vignetting, contrast].every((v) => v === 0) && gamma === 1 && saturation === 1;
}

/** Exposure, white balance and vignetting: linear light [h, w, 3] times the gain of its channel and place, not cut. */
export function gainLight(light: Image, colour: ColourChange): Image {
  const { width, height, data } = light;
  const out = blankImage(width, height);
  const gains = [colour.red, 0, colour.blue].map((stops) => 2 ** (colour.exposure + stops));
  // Pixel areas: the corner of the picture is half a pixel beyond the centre of its last pixel.
  const cornerSquared = (width * width + height * height) / 4;
  for (let y = 0, i = 0; y < height; y++) {
    const dy = y - (height - 1) / 2;
    for (let x = 0; x < width; x++) {
      const dx = x - (width - 1) / 2;
      const falloff =
        colour.vignetting === 0 ? 1 : 2 ** ((-colour.vignetting * (dx * dx + dy * dy)) / cornerSquared);
      for (let c = 0; c < 3; c++, i++) out.data[i] = data[i] * gains[c] * falloff;
    }
  }
  return out;
}

/** Linear light [h, w, 3] as a finished picture: cut to [0,1], sRGB-encoded, tone curve, saturation, cut to [0,1]. */
export function renderLight(light: Image, colour: ColourChange): Image {
  const out = blankImage(light.width, light.height);
  const { saturation } = colour;
  for (let i = 0; i < out.data.length; i += 3) {
    const r = tone(linearToSrgb(cut(light.data[i])), colour);
    const g = tone(linearToSrgb(cut(light.data[i + 1])), colour);
    const b = tone(linearToSrgb(cut(light.data[i + 2])), colour);
    const grey = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    out.data[i] = cut(grey + saturation * (r - grey));
    out.data[i + 1] = cut(grey + saturation * (g - grey));
    out.data[i + 2] = cut(grey + saturation * (b - grey));
  }
  return out;
}

/** The tone curve on an encoded value in [0,1]: v = value^gamma, then v^k / (v^k + (1 - v)^k) with k = 2^contrast. */
function tone(value: number, { gamma, contrast }: ColourChange): number {
  const v = gamma === 1 ? value : value ** gamma;
  if (contrast === 0) return v;
  const k = 2 ** contrast;
  const bright = v ** k;
  return bright / (bright + (1 - v) ** k);
}

function cut(v: number): number {
  return v < 0 ? 0 : v > 1 ? 1 : v;
}
