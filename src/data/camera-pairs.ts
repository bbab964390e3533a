/** Pairs made by the simulated camera from photographs, or from drawn scenes where there are none. */
import { basename, extname } from 'node:path';
import { readImage } from '../image/file';
import type { Image } from '../image/image';
import { InputError, named } from '../util/errors';
import { Random } from '../util/random';
import { photograph, type CameraShot } from './camera';
import {
  CAMERA_PRESETS,
  cameraPreset,
  drawCamera,
  type CameraPreset,
  type CameraPresetName,
} from './camera-presets';
import { fingerprintOf, pixelsOf, type PairSet, type PhotosSource } from './pairs';
import { drawScene } from './scenes';

export type { CameraPresetName } from './camera-presets';
export const CAMERA_PRESET_NAMES = Object.keys(CAMERA_PRESETS) as CameraPresetName[];

/** HR pictures to photograph. */
export interface PhotoSource {
  readonly description: string;
  readonly size: number;
  load(index: number): Promise<{ readonly name: string; readonly image: Image }>;
  /** What the pictures are read from. */
  readonly files: readonly string[];
  /** What drawn pictures are drawn with. */
  readonly seed?: number;
  /** The pictures as plain data, as `PairSet.source`. */
  readonly source?: PhotosSource;
}

/** These pictures. */
export function filePhotos(files: readonly string[], description: string): PhotoSource {
  return {
    description,
    size: files.length,
    files,
    load: async (index) => ({
      name: basename(files[index], extname(files[index])),
      image: await readImage(files[index]),
    }),
    source: { kind: 'files', files, description },
  };
}

/** `count` drawn scenes of 480x320. */
export function scenePhotos(count: number, seed: number): PhotoSource {
  return {
    description: `${count} drawn scenes`,
    size: count,
    files: [],
    seed,
    load: (index) =>
      Promise.resolve({ name: `scene-${index}`, image: drawScene(`${seed}/${index}`, 480, 320) }),
    source: { kind: 'scenes', count, seed },
  };
}

/** A picture photographed with a camera drawn from `preset`; which one and which noise depends on seed and index alone. */
export function cameraShot(
  image: Image,
  preset: CameraPreset,
  seed: number,
  index: number,
): Promise<CameraShot> {
  const camera = drawCamera(preset, new Random(seed, 'camera', index));
  return photograph(image, camera, new Random(seed, 'shot', index));
}

export interface CameraPairsOptions {
  /**
   * Which LR picture: as the camera takes it (`lr`, the default), or `aligned`, the same blur, noise and JPEG in the HR's
   * geometry and colour.
   */
  readonly view?: 'lr' | 'aligned';
  /** Size of the movement in every pair, LR pixels, in place of the preset's range. */
  readonly misalignment?: number | undefined;
}

/**
 * Each picture photographed once with a camera drawn from the preset; what camera and which noise depends on seed and
 * index alone. Pictures smaller than a training patch allows are refused when they are loaded.
 * @throws InputError where there are no photographs, or the preset has no movement whose size could be set
 */
export function cameraPairs(
  photos: PhotoSource,
  preset: CameraPresetName,
  seed: number,
  { view = 'lr', misalignment }: CameraPairsOptions = {},
): PairSet {
  if (photos.size === 0) throw new InputError('no photographs to make pairs from');
  const camera = cameraPreset(preset, misalignment);
  const moved = misalignment === undefined ? {} : { misalignment };
  return {
    description: `${preset} camera${stance(view, misalignment)} on ${photos.description}`,
    size: photos.size,
    async load(index) {
      const { name, image } = await photos.load(index);
      const shot = await named(name, () => cameraShot(image, camera, seed, index));
      return { name, lr: pixelsOf(shot[view]), hr: pixelsOf(shot.hr) };
    },
    fingerprint: () =>
      fingerprintOf(
        photos.files,
        photos.description,
        photos.seed,
        preset,
        seed,
        ...(view === 'lr' ? [] : [view]),
        ...(misalignment === undefined ? [] : [moved]),
      ),
    // Loader threads open a set by its source, which knows no view.
    ...(photos.source === undefined || view !== 'lr'
      ? {}
      : { source: { kind: 'camera', photos: photos.source, preset, seed, ...moved } }),
  };
}

function stance(view: CameraPairsOptions['view'], misalignment: number | undefined): string {
  if (view === 'aligned') return ', held still,';
  return misalignment === undefined ? '' : `, moved by ${misalignment} LR pixels,`;
}
