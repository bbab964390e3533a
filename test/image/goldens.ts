import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { shared } from '../shared';

/** Golden values of the metrics folder, typed as far as the image and full-reference tests read them. */

export interface ImageGolden {
  width: number;
  height: number;
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
