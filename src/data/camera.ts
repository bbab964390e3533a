import { addNoise, jpegRoundTrip } from '../image/degrade';
import { srgbToLinear } from '../image/colour';
import type { Image } from '../image/image';
import { blankImage, cropImage } from '../image/image';
import { InputError } from '../util/errors';
import { Random } from '../util/random';
import { gainLight, isNeutral, renderLight } from './camera-colour';
import { Movement } from './camera-geometry';
import { sampleAreas } from './camera-lens';
import type { CameraOptions, CameraSettings, ColourChange } from './camera-options';
import { cameraOptions, NEUTRAL_COLOUR } from './camera-options';

/**
 * The simulated camera: an HR picture in, an LR picture of 1/4 the size out, as a second camera might have taken it,
 * together with everything that real pairs do not tell: the true flow, the true colour change, and the LR picture
 * that would have been perfect for training.
 *
 * The light's way, in this order:
 *
 *   1. geometry: the HR picture, decoded to linear light, is resampled once on its own grid (camera-geometry.ts);
 *   2. lens: anisotropic Gaussian blur; 3. sensor areas: mean over 4 x 4 HR pixels (both in camera-lens.ts);
 *   4. exposure, white balance, vignetting: gains on linear light (camera-colour.ts);
 *   5. sensor: Poisson-Gaussian noise on linear light, cut at black and white;
 *   6. rendering: sRGB encoding, tone curve, saturation (camera-colour.ts);
 *   7. JPEG, which also rounds to 8 bits.
 *
 * 1 to 5 are in linear light because lenses and sensors add light. The gains commute with blur and sampling, so they
 * may as well act on the LR picture; the tone curve does not, and there it makes the true colour change exact for LR
 * pixels: without noise and JPEG, lr is `applyColourChange` of the moved picture, to float32 accuracy.
 *
 * Left out on purpose: depth edges, motion blur, demosaicing, in-camera sharpening and denoising, chromatic aberration.
 */

/** One simulated pair with its truth. All pictures but `flow` are RGB, sRGB-encoded, in [0,1]. */
export interface CameraShot {
  /** [4h, 4w, 3]: the HR picture, cut at its right and bottom to multiples of four as the x4 benchmarks are. */
  readonly hr: Image;
  /** [h, w, 3]: the LR picture of the pair: moved, recoloured, degraded. */
  readonly lr: Image;
  /** [h, w, 3]: the HR's geometry and colour with the lr's blur, noise (the same deviates) and JPEG. */
  readonly aligned: Image;
  /** [h, w, 3]: the mean of the HR's linear light over each LR pixel, and nothing else. */
  readonly clean: Image;
  /**
   * [h, w, 2]: the true flow from the shrunk HR to lr, x to the right and y down, LR pixels: lr sampled at
   * x + flow(x) aligns with clean at x (a flow estimator's first picture is the shrunk HR, its second lr).
   */
  readonly flow: Image;
  /** What the shot was made with; `options.colour` is the true colour change, for `applyColourChange`. */
  readonly options: CameraOptions;
}

/**
 * Photographs an HR picture of [H, W, 3], H and W at least 16. The random movement and the noise come from `random`,
 * each from a stream of its own: the noise is the same whatever the geometry is. Where lr looks beyond the HR picture's
 * edge it sees its mirror image; lr read at x + flow(x) within the picture never lands there, so the flow needs no mask
 * but "inside".
 * @throws InputError on bad settings, a picture too small or not RGB, or a movement that folds the picture.
 */
export async function photograph(hr: Image, settings: CameraSettings, random: Random): Promise<CameraShot> {
  const options = cameraOptions(settings);
  const cut = cutToMultipleOf4(hr);
  const movementSeed = random.uint32();
  const noiseSeed = random.uint32();
  const movement = new Movement(
    options.geometry,
    cut.width / 4,
    cut.height / 4,
    new Random(movementSeed, 'movement'),
  );
  const flow = movement.trueFlow();

  const light = linearLight(cut);
  const still = sampleAreas(light, options.blur);
  const moved = movement.isNone ? still : sampleAreas(movement.resample(light), options.blur);
  const clean = options.blur.major === 0 ? still : sampleAreas(light, { major: 0, minor: 0, angle: 0 });
  const expose = (sampled: Image, colour: ColourChange): Promise<Image> =>
    finish(gainLight(sampled, colour), colour, options, new Random(noiseSeed, 'noise'));
  const aligned = await expose(still, NEUTRAL_COLOUR);
  const lr =
    movement.isNone && isNeutral(options.colour)
      ? { ...aligned, data: aligned.data.slice() }
      : await expose(moved, options.colour);
  return { hr: cut, lr, aligned, clean: renderLight(clean, NEUTRAL_COLOUR), flow, options };
}

/** Linear light of the 256 values of 8-bit pictures. */
const LIGHT_OF_8_BITS = Float64Array.from({ length: 256 }, (_, v) => srgbToLinear(Math.fround(v / 255)));

/** An encoded picture's linear light; the powers of 8-bit values, which most HR pictures have, are looked up. */
function linearLight(image: Image): Image {
  const { width, height, data } = image;
  const light = blankImage(width, height);
  for (let i = 0; i < data.length; i++) {
    const level = Math.round(data[i] * 255);
    const is8Bit = level >= 0 && level <= 255 && Math.fround(level / 255) === data[i];
    light.data[i] = is8Bit ? LIGHT_OF_8_BITS[level] : srgbToLinear(data[i]);
  }
  return light;
}

/** Sensor, rendering and file: linear light in, the finished picture out. */
async function finish(
  light: Image,
  colour: ColourChange,
  { noise, jpeg }: CameraOptions,
  random: Random,
): Promise<Image> {
  const noisy = noise.shot === 0 && noise.read === 0 ? light : addNoise(light, random, noise);
  const rendered = renderLight(noisy, colour);
  return jpeg === null ? rendered : jpegRoundTrip(rendered, jpeg.quality, { chroma: jpeg.chroma });
}

function cutToMultipleOf4(hr: Image): Image {
  if (hr.channels !== 3 || hr.width < 16 || hr.height < 16) {
    throw new InputError(
      `simulated camera: expected an RGB picture of at least 16x16, ` +
        `found ${hr.width}x${hr.height} with ${hr.channels} channels`,
    );
  }
  return cropImage(hr, 0, 0, hr.width - (hr.width % 4), hr.height - (hr.height % 4));
}
