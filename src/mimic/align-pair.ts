/**
 * What a trained mimicking module makes of one LR/HR pair, to look at and to measure: the mimicked LR, the LR warped by
 * the flow that its training uses (and recoloured, where it does that), and what all should lie on, the shrunk HR.
 *
 * With `patch` the pair goes through as in training, patch by patch (each with its own guidance vector, its own flow and,
 * as released, its own stretched grid), and the outputs are put together again; without, as a whole.
 */
import * as tf from '@tensorflow/tfjs-core';
import { noiseImage } from '../data/noise-image';
import type { FlowEstimator } from '../flow/estimator';
import { blankImage, cropImage, type Image } from '../image/image';
import { imageTensor, tensorImage } from '../image/tensor';
import { recoloured } from '../losses/recoloured';
import { staysInside } from '../metrics/alignment';
import { JPEG_UNIT } from '../ops/jpeg';
import { warpFactors } from '../ops/warp';
import { Random } from '../util/random';
import { InputError } from '../util/errors';
import { cameraFinish } from './camera-finish';
import { noiseMode, type MimicConfig } from './config';
import { MIMIC_MINIMUM_SIDE, type MimicModule } from './module';
import { alignedLr, mimic } from './step';

/** Pictures of LR size; with patches, of as much of it as whole patches cover. RGB pictures in [0,1]. */
export interface AlignedPair {
  readonly lr: Image;
  /** The HR as the process shrinks it; bicubic overshoots are left in. */
  readonly shrunkHr: Image;
  /** As the SR network gets it. */
  readonly mimicked: Image;
  /** The LR in the HR's geometry, black where it comes from outside; absent without a flow estimator. */
  readonly warped?: Image;
  /**
   * The warped LR with the shrunk HR's colours, which the module was trained to match; where its training recolours and there
   * is flow.
   */
  readonly recoloured?: Image;
  /** [h, w, 2] what `warped` was moved by, pixels. */
  readonly displacement?: Image;
  /** [h, w, 1]: 1 where the warped LR comes from inside the picture; all 1 without flow. */
  readonly valid: Image;
}

export interface AlignOptions {
  readonly module: MimicModule;
  readonly config: MimicConfig;
  /** As `config.flow` names it. Absent: no warped LR, and all pixels count. */
  readonly flow?: FlowEstimator;
  /** Of the added noise. */
  readonly seed: number;
  /** LR pixels; absent: the whole picture at once. */
  readonly patch?: number;
}

const SCALE = 4;

/**
 * An engine must be running.
 * @param hr exactly 4 times the LR's size
 * @throws InputError for sizes that do not fit each other, the module or the patch
 */
export async function alignPair(lr: Image, hr: Image, options: AlignOptions): Promise<AlignedPair> {
  const { width, height } = lr;
  if (hr.width !== SCALE * width || hr.height !== SCALE * height) {
    throw new InputError(
      `HR is ${hr.width}x${hr.height}: expected ${SCALE} times the LR, ${SCALE * width}x${SCALE * height}`,
    );
  }
  const [w, h] = [options.patch ?? width, options.patch ?? height];
  const least = Math.max(MIMIC_MINIMUM_SIDE, options.config.finish ? JPEG_UNIT : 1);
  if (Math.min(w, h) < least) {
    const found = options.patch === undefined ? `LR is ${width}x${height}` : `patches are ${w}x${h}`;
    throw new InputError(`${found}: expected at least ${least} pixels a side`);
  }
  if (width < w || height < h)
    throw new InputError(`LR is ${width}x${height}: expected at least the patch, ${w}x${h}`);
  const rows: AlignedPair[][] = [];
  for (let top = 0; top + h <= height; top += h) {
    const row: AlignedPair[] = [];
    for (let left = 0; left + w <= width; left += w) {
      const small = cropImage(lr, left, top, w, h);
      const large = cropImage(hr, SCALE * left, SCALE * top, SCALE * w, SCALE * h);
      row.push(await alignPatch(small, large, new Random(options.seed, 'align', top, left), options));
    }
    rows.push(row);
  }
  const stitched = (of: (part: AlignedPair) => Image): Image => stitch(rows.map((row) => row.map(of)));
  return {
    lr: stitched((p) => p.lr),
    shrunkHr: stitched((p) => p.shrunkHr),
    mimicked: stitched((p) => p.mimicked),
    valid: stitched((p) => p.valid),
    ...(options.flow === undefined
      ? {}
      : { warped: stitched((p) => p.warped!), displacement: stitched((p) => p.displacement!) }),
    ...(rows[0][0].recoloured === undefined ? {} : { recoloured: stitched((p) => p.recoloured!) }),
  };
}

async function alignPatch(
  lr: Image,
  hr: Image,
  random: Random,
  { module, config, flow }: AlignOptions,
): Promise<AlignedPair> {
  const mode = noiseMode(config);
  const noise = mode === undefined ? undefined : await noiseImage(hr, random, mode);
  const { width, height } = lr;
  const tensors: Record<string, tf.Tensor4D> = tf.tidy(() => {
    const batch = {
      lr: imageTensor(lr),
      hr: imageTensor(hr),
      ...(noise === undefined ? {} : { noise: imageTensor(noise) }),
    };
    const { h, mimicked: made } = mimic(module, batch, config);
    const mimicked = config.finish ? cameraFinish(made, random) : made;
    const aligned = alignedLr(batch, h, flow, config);
    const { target: warped, mask, flow: found } = aligned;
    if (found === undefined) return { shrunkHr: h, mimicked };
    const { factorX, factorY } = warpFactors(height, width, config.corrections.warp ? 'exact' : 'released');
    const displacement = tf.mul<tf.Tensor4D>(found, tf.tensor1d([factorX, factorY]));
    return {
      shrunkHr: h,
      mimicked,
      warped,
      displacement,
      ...(config.recolour ? { recoloured: recoloured(aligned, h).target } : {}),
      ...(mask === undefined ? {} : { valid: mask }),
    };
  });
  const images: Record<string, Image> = {};
  try {
    for (const [name, tensor] of Object.entries(tensors)) images[name] = await tensorImage(tensor);
  } finally {
    tf.dispose(tensors);
  }
  const { shrunkHr, mimicked, warped, recoloured: recolouredLr, displacement } = images;
  const still = blankImage(width, height, 2);
  const valid = images.valid ?? staysInside(displacement ?? still);
  return {
    lr,
    shrunkHr,
    mimicked,
    valid,
    ...(warped === undefined ? {} : { warped, displacement }),
    ...(recolouredLr === undefined ? {} : { recoloured: recolouredLr }),
  };
}

/** Pictures of equal size side by side, row below row. */
function stitch(rows: readonly (readonly Image[])[]): Image {
  const { width, height, channels } = rows[0][0];
  const out = blankImage(width * rows[0].length, height * rows.length, channels);
  rows.forEach((row, r) =>
    row.forEach((image, c) => {
      for (let y = 0; y < height; y++) {
        const line = image.data.subarray(y * width * channels, (y + 1) * width * channels);
        out.data.set(line, ((r * height + y) * out.width + c * width) * channels);
      }
    }),
  );
  return out;
}
