/** How the small flow network is trained, and on what. */
import { basename } from 'node:path';
import { filePhotos, scenePhotos, type PhotoSource } from '../../src/data/camera-pairs';
import type { CameraPreset } from '../../src/data/camera-presets';
import { fingerprintOf } from '../../src/data/pairs';
import { datasetPhotos } from '../../src/data/datasets';

/** Everything that real cameras were seen to do (`CAMERA_PRESETS`), and well beyond it. */
const CAMERA: CameraPreset = {
  misalignment: [0.02, 3],
  movement: { shift: 1, rotation: 0.7, zoom: 0.7, distortion: 0.5, parallax: 1.5 },
  parallaxSpacing: [16, 48],
  colourGap: [0.5, 20],
  colour: { exposure: 1, red: 1, blue: 1, vignetting: 0.7, gamma: 1, contrast: 1, saturation: 1 },
  blur: [0.1, 0.9],
  blurRoundness: [0.5, 1],
  shotNoise: [1e-6, 2e-3],
  readNoise: [1e-4, 1e-2],
  jpegQuality: [60, 99],
};

export const RECIPE = {
  seed: 1,
  camera: CAMERA,
  /** Shots taken before the training: of photographs, all in turn, and of drawn scenes, each its own. */
  photoShots: 1200,
  sceneShots: 400,
  iterations: 20_000,
  /** Patch side and patches of an iteration, drawn anew in each; equal numbers of pixels. */
  patches: [
    { side: 32, batch: 16 },
    { side: 32, batch: 16 },
    { side: 64, batch: 4 },
  ],
  /** Largest shift by cutting patches apart, pixels, and the share of patches without. */
  shift: 8,
  unshifted: 0.4,
  /** Weight of pixels whose content has left the second patch: there the flow can only be continued. */
  hidden: 0.1,
  /** Weight of each update's error, as a share of the next one's. */
  discount: 0.6,
  /** Learning rate: linear over the first iterations, then cosine. */
  rate: 1e-3,
  minimumRate: 1e-6,
  warmUp: 200,
  adam: { betas: [0.9, 0.999], epsilon: 1e-8, clip: 1 },
} as const;

/** One photograph in ten is never trained on. */
const HELD_OUT = 10;

export interface Sources {
  /** Absent without photographs. */
  readonly photos?: PhotoSource;
  readonly scenes: PhotoSource;
  /** SHA-256 over the photographs' files. */
  readonly sha256: string;
}

/**
 * What is trained on, or what is held out for the measurement.
 * @param folder of photographs (a path or a dataset's name); without one there are only scenes
 */
export function sources(part: 'training' | 'held out', folder?: string): Sources {
  const training = part === 'training';
  const scenes = scenePhotos(training ? RECIPE.sceneShots : 20, training ? RECIPE.seed : RECIPE.seed + 1);
  if (folder === undefined) return { scenes, sha256: fingerprintOf([], scenes.description) };
  const all = datasetPhotos(folder).files;
  const files = all.filter((_, i) => (i % HELD_OUT === HELD_OUT - 1) !== training);
  const photos = filePhotos(files, `${files.length} ${part} photographs of ${basename(folder)}`);
  return { photos, scenes, sha256: fingerprintOf(files, photos.description, scenes.description) };
}
