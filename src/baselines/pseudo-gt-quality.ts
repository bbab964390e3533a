/**
 * Whether the pseudo-GT of a set of pairs is what it is for: the HR's content where the LR has it. AlignFormer's networks,
 * trained too short or on too little, give pictures that are neither, and an SR network learns from them without a word.
 */
import { imageOf, type Pair, type PairSet } from '../data/pairs';
import type { Image } from '../image/image';
import { imresize } from '../image/resize';
import { colourError, shownMisalignment } from '../metrics/alignment';
import { spectrumDistance } from '../metrics/degradation-fidelity';
import { quantile } from '../util/quantile';

/** Medians over pairs: where one shows nothing, a plain wall, its misalignment means nothing. */
export interface PseudoGtQuality {
  readonly pairs: number;
  /** LR pixels between the LR's content and the HR's, as the pair is: what there was to do. */
  readonly hrOffBy: number;
  /** The same of the pseudo-GT: what is left. */
  readonly offBy: number;
  /** CIEDE2000 between pseudo-GT and HR through a blur. */
  readonly colour: number;
  /** dB between the spectra of pseudo-GT and HR: detail that was lost or made up. */
  readonly spectrum: number;
}

/** Least side of an LR that a spectrum of it can be taken of. */
const LEAST_SIDE = 32;

/**
 * @param made the same pairs with the pseudo-GT in place of the HR
 * @param most how many pairs, from the first
 * @returns undefined where no pair is large enough to measure (32 LR pixels a side)
 */
export async function pseudoGtQuality(
  pairs: PairSet,
  made: PairSet,
  most: number,
): Promise<PseudoGtQuality | undefined> {
  const rows: Omit<PseudoGtQuality, 'pairs'>[] = [];
  for (let i = 0; i < Math.min(most, pairs.size); i++) {
    const before = await pairs.load(i);
    if (Math.min(before.lr.width, before.lr.height) < LEAST_SIDE) continue;
    rows.push(qualityOf(before, imageOf((await made.load(i)).hr)));
  }
  if (rows.length === 0) return undefined;
  const median = (of: (row: (typeof rows)[number]) => number): number => quantile(rows.map(of), 0.5);
  return {
    pairs: rows.length,
    hrOffBy: median((row) => row.hrOffBy),
    offBy: median((row) => row.offBy),
    colour: median((row) => row.colour),
    spectrum: median((row) => row.spectrum),
  };
}

function qualityOf(pair: Pair, pseudoGt: Image): Omit<PseudoGtQuality, 'pairs'> {
  const [lr, hr] = [imageOf(pair.lr), imageOf(pair.hr)];
  const shrunk = (image: Image): Image => imresize(image, { width: lr.width, height: lr.height });
  return {
    hrOffBy: shownMisalignment(lr, shrunk(hr)),
    offBy: shownMisalignment(lr, shrunk(pseudoGt)),
    colour: colourError(shrunk(pseudoGt), shrunk(hr)),
    spectrum: spectrumDistance(pseudoGt, hr),
  };
}
