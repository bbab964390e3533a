/**
 * Batches of random crops: LR patch and the HR patch that lies over it, with one of the eight symmetries of the square,
 * all equally likely (flip, flip, transpose, as the official loader). What batch n holds depends on the seed and n
 * alone, so a resumed run sees what an uninterrupted one would have seen.
 *
 * Epoch e visits the pairs in the order of a permutation seeded with e; a batch may reach over the end of an epoch.
 */
import { cropImage, mirror, type Image } from '../image/image';
import { InputError } from '../util/errors';
import { Random } from '../util/random';
import type { Degradation } from './degradation';
import { noiseImage, type NoiseMode } from './noise-image';
import type { Pair, PairSet, Pixels } from './pairs';

export interface PatchBatch {
  /** [B, patch, patch, 3] in [0,1] */
  readonly lr: Float32Array;
  /** [B, scale patch, scale patch, 3] in [0,1] */
  readonly hr: Float32Array;
  /** [B, patch, patch, 3]: the noise image of each HR patch, where they were asked for. */
  readonly noise?: Float32Array;
}

export interface LoaderOptions {
  /** LR patch side, pixels. */
  readonly patch: number;
  readonly batch: number;
  readonly seed: number;
  readonly scale?: number;
  /** Make noise images. Default: none. */
  readonly noise?: NoiseMode | undefined;
  /** Make the LR patches from the HR pictures. Default: the pairs' own. */
  readonly degradation?: Degradation | undefined;
  /** Decoded pairs kept in memory, bytes; the least recently used go first. Default 1 GiB. */
  readonly cacheBytes?: number;
}

export class PairLoader {
  private readonly scale: number;
  private readonly cache = new Map<number, Promise<Pair>>();
  private readonly capacity: number;
  private cachedBytes = 0;
  private epoch = -1;
  private order: Uint32Array = new Uint32Array();

  constructor(
    readonly pairs: PairSet,
    private readonly options: LoaderOptions,
  ) {
    if (pairs.size === 0) throw new InputError(`no pairs to train on: ${pairs.description}`);
    this.scale = options.scale ?? 4;
    this.capacity = options.cacheBytes ?? 2 ** 30;
  }

  /** Batch of iteration `step` (1-based). */
  async batch(step: number): Promise<PatchBatch> {
    const { batch, patch, seed } = this.options;
    const big = patch * this.scale;
    const lr = new Float32Array(batch * patch * patch * 3);
    const hr = new Float32Array(batch * big * big * 3);
    const noise: Float32Array[] = [];
    for (let k = 0; k < batch; k++) {
      const pair = await this.pair(this.indexOf((step - 1) * batch + k));
      if (pair.lr.width < patch || pair.lr.height < patch) {
        throw new InputError(
          `LR of ${pair.name} is ${pair.lr.width}x${pair.lr.height}: expected at least the patch, ${patch}x${patch}`,
        );
      }
      const random = new Random(seed, 'crop', step, k);
      const top = random.integer(0, pair.lr.height - patch);
      const left = random.integer(0, pair.lr.width - patch);
      const turn = { flipX: random.chance(0.5), flipY: random.chance(0.5), transpose: random.chance(0.5) };
      copyPatch(pair.hr, left * this.scale, top * this.scale, big, turn, hr, k);
      const { degradation } = this.options;
      if (degradation === undefined) copyPatch(pair.lr, left, top, patch, turn, lr, k);
      else {
        const random = new Random(seed, 'degradation', step, k);
        lr.set(await this.degraded(degradation, pair.hr, left, top, turn, random), k * patch * patch * 3);
      }
      if (this.options.noise !== undefined) {
        const data = hr.subarray(k * big * big * 3, (k + 1) * big * big * 3);
        const patchImage = { width: big, height: big, channels: 3, data };
        noise.push((await noiseImage(patchImage, new Random(seed, 'noise', step, k), this.options.noise)).data);
      }
    }
    if (noise.length === 0) return { lr, hr };
    const noises = new Float32Array(lr.length);
    noise.forEach((data, k) => noises.set(data, k * data.length));
    return { lr, hr, noise: noises };
  }

  /** The LR patch that `degradation` makes of the HR picture, as if cut from the LR of the whole picture. */
  private async degraded(
    degradation: Degradation,
    hr: Pixels,
    left: number,
    top: number,
    turn: Symmetry,
    random: Random,
  ): Promise<Float32Array> {
    const { patch } = this.options;
    const { margin } = degradation;
    const side = (patch + 2 * margin) * this.scale;
    const window: Image = { width: side, height: side, channels: 3, data: new Float32Array(side * side * 3) };
    const [x, y] = [left - margin, top - margin].map((v) => v * this.scale);
    copyPatch(hr, x, y, side, turn, window.data, 0);
    return cropImage(await degradation.lrOf(window, random), margin, margin, patch, patch).data;
  }

  /** Index of the pair that sample number `sample` (0-based, over the whole run) is cut from. */
  private indexOf(sample: number): number {
    const epoch = Math.floor(sample / this.pairs.size);
    if (epoch !== this.epoch) {
      this.order = new Random(this.options.seed, 'epoch', epoch).permutation(this.pairs.size);
      this.epoch = epoch;
    }
    return this.order[sample % this.pairs.size];
  }

  private async pair(index: number): Promise<Pair> {
    const hit = this.cache.get(index);
    if (hit !== undefined) {
      this.cache.delete(index); // to the end: most recently used
      this.cache.set(index, hit);
      return hit;
    }
    const loading = this.pairs.load(index);
    this.cache.set(index, loading);
    const pair = await loading.catch((error: unknown) => {
      this.cache.delete(index);
      throw error;
    });
    this.cachedBytes += pair.lr.data.length + pair.hr.data.length;
    for (const [old, waiting] of this.cache) {
      if (this.cachedBytes <= this.capacity || old === index) break;
      const gone = await waiting;
      this.cachedBytes -= gone.lr.data.length + gone.hr.data.length;
      this.cache.delete(old);
    }
    return pair;
  }
}

interface Symmetry {
  readonly flipX: boolean;
  readonly flipY: boolean;
  readonly transpose: boolean;
}

/**
 * Writes the `side` x `side` patch at (`left`, `top`), turned by `turn`, as image `k` of a float batch. Beyond its edges
 * the picture is its mirror image.
 */
function copyPatch(
  from: Pixels,
  left: number,
  top: number,
  side: number,
  { flipX, flipY, transpose }: Symmetry,
  batch: Float32Array,
  k: number,
): void {
  let out = k * side * side * 3;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [u, v] = transpose ? [y, x] : [x, y];
      const sx = mirror(left + (flipX ? side - 1 - u : u), from.width);
      const sy = mirror(top + (flipY ? side - 1 - v : v), from.height);
      const at = (sy * from.width + sx) * 3;
      batch[out++] = from.data[at] / 255;
      batch[out++] = from.data[at + 1] / 255;
      batch[out++] = from.data[at + 2] / 255;
    }
  }
}
