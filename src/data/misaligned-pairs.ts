/**
 * Real pairs, misaligned on purpose: what a training loses to misalignment can so be measured on a real camera's degradations,
 * where the pairs are known to be well aligned. The LR stays as it was taken. The HR is moved, by whole pixels so that no
 * interpolation softens it, and gets other colours.
 */
import { cropImage } from '../image/image';
import { InputError } from '../util/errors';
import { Random } from '../util/random';
import { applyColourChange } from './camera-colour';
import { cameraPreset, drawCamera, type CameraPreset, type CameraPresetName } from './camera-presets';
import { fingerprintOf, imageOf, pixelsOf, type Pair, type PairSet } from './pairs';

/**
 * Each pair with a movement and a colour change as the preset draws them, the movement all shift; which ones depends on
 * the index alone. What one picture no longer shows of the other is cut off.
 */
export function misalignedPairs(pairs: PairSet, preset: CameraPresetName): PairSet {
  const camera = cameraPreset(preset);
  return {
    description: `${pairs.description}, HR misaligned as by ${preset}`,
    size: pairs.size,
    load: async (index) => misaligned(await pairs.load(index), camera, new Random('misaligned', index)),
    fingerprint: () => fingerprintOf([], pairs.fingerprint(), preset),
    ...(pairs.source === undefined ? {} : { source: { kind: 'misaligned', pairs: pairs.source, preset } }),
  };
}

function misaligned({ name, lr, hr }: Pair, camera: CameraPreset, random: Random): Pair {
  const { colour } = drawCamera(camera, random);
  const scale = hr.width / lr.width;
  const length = scale * random.logUniform(...camera.misalignment);
  const heading = random.uniform(0, 2 * Math.PI);
  const [right, down] = [Math.cos(heading), Math.sin(heading)].map((part) => Math.round(length * part));
  const margin = Math.ceil(Math.max(Math.abs(right), Math.abs(down)) / scale);
  const [width, height] = [lr.width - 2 * margin, lr.height - 2 * margin];
  if (Math.min(width, height) < 1)
    throw new InputError(`${name} has ${lr.width}x${lr.height} LR pixels: too few to move it by ${margin}`);
  const moved = cropImage(
    imageOf(hr),
    scale * margin + right,
    scale * margin + down,
    scale * width,
    scale * height,
  );
  return {
    name,
    lr: pixelsOf(cropImage(imageOf(lr), margin, margin, width, height)),
    hr: pixelsOf(applyColourChange(moved, colour)),
  };
}
