import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { shared } from '../shared';

/** Golden values of the metrics folder, typed as far as the tests read them. */

export interface OfficialNiqe {
  value: number | null;
  /** Largest and smallest value over six orders of summation. */
  min_over_summation_orders: number;
  max_over_summation_orders: number;
  constant_7x7_share_scale1: number;
  /** None where the picture has a single block. */
  snapped_numpy?: number;
}

/** A number, or why the reference program has none (the picture is too small). */
type Score = number | { error: string };

export interface NrqmFeatures {
  f1: number[];
  f2: number[];
  f3: number[];
}

export interface ImageGolden {
  width: number;
  height: number;
  niqe?: {
    pyiqa_default_yiq_crop0?: Score;
    pyiqa_in_pi_ycbcr_crop4?: Score;
    pyiqa_as_is?: Score;
    basicsr_y_crop0?: Score;
    basicsr_y_crop4?: Score;
    official_matlab_code_in_octave: Partial<
      Record<'official_gray_crop0' | 'official_ycbcr_crop4' | 'official_as_is', OfficialNiqe>
    >;
  };
  nrqm?: { features: Record<string, NrqmFeatures | { error: string }> };
  rgb_sha256: string;
  grey: {
    as_is_u8?: string;
    y_ycbcr_exact_u8?: string;
    y_ycbcr_pyiqa_u8?: string;
    gray_matlab_rgb2gray_u8?: string;
    gray_yiq_pyiqa_u8?: string;
  };
}

export interface FullReferenceGolden {
  distorted: string;
  reference: string;
  dat_basicsr: Record<`${'psnr' | 'ssim'}_${'rgb' | 'y'}_crop${0 | 4}`, number | 'Infinity'>;
}

interface Goldens {
  images: Record<string, ImageGolden>;
  full_reference: Record<string, FullReferenceGolden>;
}

interface Array2d {
  shape: [number, number];
  data: number[];
}

interface ResizeGoldens {
  input_e13x17: Array2d;
  float64_symmetric: Record<string, Array2d>;
  float64_replicate: Record<string, Array2d>;
  images: Record<string, { shape: [number, number, number]; rgb_sha256: string }>;
  real_matlab_pairs: Record<
    string,
    { scale: number; pad: 'symmetric' | 'replicate'; rounding: 'final' | 'perpass'; rgb_sha256: string }
  >;
}

/** Arrays by name, as the intermediate goldens have them; row-major. */
interface Intermediates {
  inputs: Record<string, Array2d>;
  values: Record<string, Array2d>;
}

export function intermediates(metric: 'niqe' | 'nrqm'): Intermediates {
  const path = shared('goldens', 'metrics', `${metric}_intermediates.json`);
  return JSON.parse(readFileSync(path, 'utf8')) as Intermediates;
}

/** Outputs of the synthetic forests for the features that pyiqa has of a picture. */
export function nrqmPredictions(): Record<string, { s: number[]; score: number }> {
  const path = shared('goldens', 'metrics', 'nrqm_synthetic_expected.json');
  return (
    JSON.parse(readFileSync(path, 'utf8')) as { expected: Record<string, { s: number[]; score: number }> }
  ).expected;
}

export function metricGoldens(): Goldens {
  return JSON.parse(readFileSync(shared('goldens', 'metrics', 'goldens.json'), 'utf8')) as Goldens;
}

export function resizeGoldens(): ResizeGoldens {
  return JSON.parse(readFileSync(shared('goldens', 'metrics', 'imresize.json'), 'utf8')) as ResizeGoldens;
}

/** Path of a golden picture. */
export function goldenImage(name: string): string {
  return shared('goldens', 'metrics', 'images', name);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
