/**
 * Scoring a network on a benchmark: every picture upscaled (large ones in tiles, see `upscale`), PSNR and SSIM on RGB and
 * on luma (crop 4).
 */
import { join } from 'node:path';
import { makeImageFolder, writeImage } from '../image/file';
import type { Image } from '../image/image';
import { imresize } from '../image/resize';
import type { FullReferenceProtocol } from '../metrics/metric';
import { psnr } from '../metrics/psnr';
import { ssim } from '../metrics/ssim';
import type { SrNetwork } from '../networks/sr-network';
import { DEFAULT_TILE, upscale } from '../networks/upscale';
import { InputError, named } from '../util/errors';
import { silentProgress, type ProgressFactory } from '../util/progress';
import { imageOf, type PairSet } from '../data/pairs';

export const MEASURES = ['psnrY', 'ssimY', 'psnrRgb', 'ssimRgb'] as const;
export type Measure = (typeof MEASURES)[number];
/** PSNR in dB, SSIM in [-1,1]. */
export type Scores = Record<Measure, number>;

export interface Evaluation {
  readonly images: readonly ({ readonly image: string } & Scores)[];
  /** Mean over the images. */
  readonly mean: Scores;
}

export interface EvaluateOptions {
  /** Pixels left out on each side. Default 4, the paper's protocol. */
  readonly crop?: number;
  /** Write each upscaled picture here as PNG. */
  readonly saveTo?: string;
  readonly progress?: ProgressFactory;
}

/** An upscaler: LR picture in, HR picture out. */
export interface Upscaler {
  (lr: Image, label: string): Promise<Image>;
  /** LR pixels of the tiles in which it does larger pictures. Absent: it does every picture in one piece. */
  readonly tile?: number;
}

/** The network as an upscaler. `tile`: see `upscale`. */
export function networkUpscaler(network: SrNetwork, tile = DEFAULT_TILE): Upscaler {
  return Object.assign((lr: Image, label: string) => upscale(network, lr, { label, tile }), { tile });
}

/** MATLAB-compatible bicubic, the baseline of every table. */
export const bicubicUpscaler: Upscaler = (lr) => Promise.resolve(imresize(lr, 4));

/**
 * Scores an upscaler on every pair of a set.
 * @throws InputError for a set without pairs, a picture that is too small to score, and two of one name to save
 */
export async function evaluate(
  upscaler: Upscaler,
  pairs: PairSet,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { crop = 4, saveTo } = options;
  if (pairs.size === 0) throw new InputError(`${pairs.description}: there is nothing to evaluate on`);
  if (saveTo !== undefined) makeImageFolder(saveTo);
  const progress = (options.progress ?? silentProgress)(`evaluate ${pairs.description}`, pairs.size);
  const images: ({ image: string } & Scores)[] = [];
  try {
    for (let i = 0; i < pairs.size; i++) {
      const pair = await pairs.load(i);
      const sr = await upscaler(imageOf(pair.lr), pair.name);
      if (saveTo !== undefined) {
        if (images.some(({ image }) => image === pair.name))
          throw new InputError(
            `${pairs.description}: two pictures are called '${pair.name}': they cannot both be saved in ${saveTo}`,
          );
        await writeImage(join(saveTo, `${pair.name}.png`), sr);
      }
      images.push({
        image: pair.name,
        ...(await named(pair.name, () => scores(sr, imageOf(pair.hr), crop))),
      });
      progress.update(i + 1, pair.name);
    }
  } finally {
    progress.stop();
  }
  const mean = Object.fromEntries(
    MEASURES.map((m) => [m, images.reduce((sum, row) => sum + row[m], 0) / images.length]),
  ) as Scores;
  return { images, mean };
}

/** All four measures of one picture. */
export function scores(sr: Image, hr: Image, crop: number): Scores {
  const [y, rgb]: FullReferenceProtocol[] = [
    { crop, y: true },
    { crop, y: false },
  ];
  return {
    psnrY: psnr(sr, hr, y),
    ssimY: ssim(sr, hr, y),
    psnrRgb: psnr(sr, hr, rgb),
    ssimRgb: ssim(sr, hr, rgb),
  };
}
