/**
 * Pairs with known flow for the small flow network: photographs and drawn scenes through the simulated camera, and
 * batches of patches cut from them.
 *
 * A shot has the movement of its camera, which is small and smooth. Large shifts cost nothing: the patch of the second
 * picture is cut some pixels away from that of the first, which adds exactly that shift to the flow, and real content
 * (not the camera's mirror image) comes in from the side.
 */
import * as tf from '@tensorflow/tfjs-core';
import { photograph } from '../../src/data/camera';
import type { PhotoSource } from '../../src/data/camera-pairs';
import { drawCamera, type CameraPreset } from '../../src/data/camera-presets';
import { pixelsOf } from '../../src/data/pairs';
import type { Image } from '../../src/image/image';
import { resize } from '../../src/ops/resize';
import { Random } from '../../src/util/random';

/** A simulated pair at LR size: 8-bit RGB, and where each pixel of `first` is found in `second`. */
export interface Shot {
  readonly width: number;
  readonly height: number;
  readonly first: Uint8Array;
  readonly second: Uint8Array;
  /** [height, width, 2] in pixels, x before y. */
  readonly flow: Float32Array;
}

export interface FlowBatch {
  /** [B, side, side, 3] in [0,1]: down-sampled HR. */
  readonly first: tf.Tensor4D;
  /** [B, side, side, 3]: LR. */
  readonly second: tf.Tensor4D;
  /** [B, side, side, 2] */
  readonly flow: tf.Tensor4D;
  /** [B, side, side]: 1 where what `first` shows is still within `second`, else 0. */
  readonly visible: tf.Tensor3D;
}

/** One shot: photograph `index` through a camera drawn from the preset; which one depends on `path` alone. */
export async function takeShot(
  photos: PhotoSource,
  index: number,
  preset: CameraPreset,
  ...path: readonly [number | string, ...(number | string)[]]
): Promise<Shot> {
  const random = new Random(...path);
  const { image } = await photos.load(index);
  const shot = await photograph(image, drawCamera(preset, random), random);
  const { width, height, data } = pixelsOf(shot.lr);
  // The ways in which training processes shrink the HR: bicubic or bilinear without antialiasing, or by area.
  const way = random.pick(['bicubic', 'bicubic', 'bilinear', 'area'] as const);
  const shrunk = way === 'area' ? shot.clean : shrink(shot.hr, width, height, way);
  return { width, height, first: pixelsOf(shrunk).data, second: data, flow: shot.flow.data };
}

function shrink(hr: Image, width: number, height: number, mode: 'bicubic' | 'bilinear'): Image {
  const data = tf.tidy(() => {
    const x = tf.tensor4d(hr.data, [1, hr.height, hr.width, 3]);
    return resize(x, height, width, { mode }).dataSync<'float32'>();
  });
  return { width, height, channels: 3, data };
}

export interface PatchOptions {
  readonly batch: number;
  /** Pixels along a patch's side. */
  readonly side: number;
  /** Largest shift added by cutting the patches apart, pixels. */
  readonly shift: number;
  /** Share of the patches that get no such shift. */
  readonly unshifted: number;
}

/** Patches from random places of random shots, in random orientation. The caller disposes the tensors. */
export function cutPatches(shots: readonly Shot[], random: Random, options: PatchOptions): FlowBatch {
  const { batch, side } = options;
  const pixels = side * side;
  const first = new Float32Array(batch * pixels * 3);
  const second = new Float32Array(batch * pixels * 3);
  const flow = new Float32Array(batch * pixels * 2);
  const visible = new Float32Array(batch * pixels);
  for (let k = 0; k < batch; k++) {
    const shot = random.pick(shots);
    const [dx, dy] = drawShift(random, options);
    const left = placePatch(random, shot.width, side, dx);
    const top = placePatch(random, shot.height, side, dy);
    const [flipX, flipY, transpose] = [random.chance(0.5), random.chance(0.5), random.chance(0.5)];
    const [signX, signY] = [flipX ? -1 : 1, flipY ? -1 : 1];
    for (let y = 0, i = k * pixels; y < side; y++) {
      for (let x = 0; x < side; x++, i++) {
        const [u, v] = transpose ? [y, x] : [x, y];
        const from = (top + (flipY ? side - 1 - v : v)) * shot.width + left + (flipX ? side - 1 - u : u);
        const to = from + dy * shot.width + dx;
        for (let c = 0; c < 3; c++) {
          first[3 * i + c] = shot.first[3 * from + c] / 255;
          second[3 * i + c] = shot.second[3 * to + c] / 255;
        }
        const alongX = signX * (shot.flow[2 * from] - dx);
        const alongY = signY * (shot.flow[2 * from + 1] - dy);
        flow[2 * i] = transpose ? alongY : alongX;
        flow[2 * i + 1] = transpose ? alongX : alongY;
        const [toX, toY] = [x + flow[2 * i], y + flow[2 * i + 1]];
        visible[i] = toX >= 0 && toY >= 0 && toX <= side - 1 && toY <= side - 1 ? 1 : 0;
      }
    }
  }
  return {
    first: tf.tensor4d(first, [batch, side, side, 3]),
    second: tf.tensor4d(second, [batch, side, side, 3]),
    flow: tf.tensor4d(flow, [batch, side, side, 2]),
    visible: tf.tensor3d(visible, [batch, side, side]),
  };
}

/** Whole pixels in any direction; short ones are likelier than long ones. */
function drawShift(random: Random, { shift, unshifted }: PatchOptions): [number, number] {
  if (random.chance(unshifted)) return [0, 0];
  const length = shift * random.uniform() ** 1.5;
  const angle = random.uniform(0, 2 * Math.PI);
  return [Math.round(length * Math.cos(angle)), Math.round(length * Math.sin(angle))];
}

/** A start such that the patch and the one `shift` further lie inside. */
function placePatch(random: Random, size: number, side: number, shift: number): number {
  return random.integer(Math.max(0, -shift), size - side - Math.max(0, shift));
}
