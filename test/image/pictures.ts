import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Image } from '../../src/image/image';
import { blankImage } from '../../src/image/image';
import { Random } from '../../src/util/random';

/** Small pictures made on the spot, and a folder for their files that goes when the test file is done. */

/** Independent uniform values in [0,1], on a grid of 1/levels. */
export function noisePicture(width: number, height: number, seed: number, levels = 255, channels = 3): Image {
  const image = blankImage(width, height, channels);
  const random = new Random(seed, 'picture');
  for (let i = 0; i < image.data.length; i++) image.data[i] = random.integer(0, levels) / levels;
  return image;
}

/** A smooth colourful picture: slow waves of a different direction in each channel. */
export function smoothPicture(width: number, height: number): Image {
  const image = blankImage(width, height, 3);
  for (let i = 0; i < image.data.length; i++) {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    image.data[i] = 0.5 + 0.4 * Math.sin((c + 1) * 0.07 * x + (3 - c) * 0.05 * y);
  }
  return image;
}

export function flatPicture(width: number, height: number, value: number, channels = 3): Image {
  const image = blankImage(width, height, channels);
  image.data.fill(value);
  return image;
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mimicsr-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
