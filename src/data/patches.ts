/**
 * Training patches: an LR patch and the HR patch that lies over it, with one of the eight symmetries of the square, all
 * equally likely (flip, flip, transpose, as the official loader), and the noise image of the HR patch where a process
 * wants it. What a patch holds depends on the seed, the iteration and its place in the batch alone.
 */
import { blankImage, cropImage, mirror } from '../image/image';
import { InputError } from '../util/errors';
import { Random } from '../util/random';
import type { Degradation } from './degradation';
import { NOISE_SCALE, noiseImage, type NoiseMode } from './noise-image';
import type { Pair, PairSet, Pixels } from './pairs';

export interface PatchOptions {
  /** LR patch side, pixels. */
  readonly patch: number;
  readonly batch: number;
  readonly seed: number;
  readonly scale: number;
  /** Make noise images. Absent: none. */
  readonly noise?: NoiseMode | undefined;
  /** Make the LR patches from the HR pictures. Absent: the pairs' own. */
  readonly degradation?: Degradation | undefined;
}

export interface PatchBatch {
  /** [B, patch, patch, 3] in [0,1] */
  readonly lr: Float32Array;
  /** [B, scale patch, scale patch, 3] in [0,1] */
  readonly hr: Float32Array;
  /** [B, scale patch / 4, scale patch / 4, 3] in [0,1]: the noise image of each HR patch, where they were asked for. */
  readonly noise?: Float32Array;
}

/** Values of one patch: LR, HR and noise image. */
function patchLengths({ patch, scale, noise }: PatchOptions): { lr: number; hr: number; noise: number } {
  const side = patch * scale;
  return {
    lr: patch * patch * 3,
    hr: side * side * 3,
    noise: noise === undefined ? 0 : (side / NOISE_SCALE) ** 2 * 3,
  };
}

/**
 * Memory for a batch, after `header` bytes.
 * @throws InputError where there is not so much
 */
export function batchMemory<M extends ArrayBufferLike>(
  Memory: new (bytes: number) => M,
  options: PatchOptions,
  header = 0,
): M {
  const { lr, hr, noise } = patchLengths(options);
  const bytes = header + options.batch * (lr + hr + noise) * Float32Array.BYTES_PER_ELEMENT;
  try {
    return new Memory(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const { batch, patch } = options;
    const size = `${(bytes / 2 ** 30).toFixed(0)} GiB`;
    throw new InputError(
      `batch ${batch} of patch ${patch}: no memory for a batch of ${size}: choose less of either`,
    );
  }
}

/** A batch whose arrays lie one behind the other in `memory`, from byte `offset` on. */
export function batchIn(memory: ArrayBufferLike, offset: number, options: PatchOptions): PatchBatch {
  const lengths = patchLengths(options);
  let at = offset;
  const next = (length: number): Float32Array => {
    const view = new Float32Array(memory, at, options.batch * length);
    at += view.byteLength;
    return view;
  };
  const [lr, hr] = [next(lengths.lr), next(lengths.hr)];
  return options.noise === undefined ? { lr, hr } : { lr, hr, noise: next(lengths.noise) };
}

/**
 * Which pair each sample of a run is cut from. Epoch e visits the pairs in the order of a permutation seeded with e; a
 * batch may reach over the end of an epoch.
 */
export class SampleOrder {
  private epoch = -1;
  private order: Uint32Array = new Uint32Array();

  constructor(
    private readonly pairs: number,
    private readonly seed: number,
  ) {}

  /** @param sample 0-based, over the whole run */
  indexOf(sample: number): number {
    const epoch = Math.floor(sample / this.pairs);
    if (epoch !== this.epoch) {
      this.order = new Random(this.seed, 'epoch', epoch).permutation(this.pairs);
      this.epoch = epoch;
    }
    return this.order[sample % this.pairs];
  }
}

/**
 * The pair at `index`, once it is known to hold a patch.
 * @throws InputError if it cannot be read or is smaller than the patch
 */
export async function loadPair(pairs: PairSet, index: number, { patch }: PatchOptions): Promise<Pair> {
  const pair = await pairs.load(index);
  const { lr, name } = pair;
  if (lr.width < patch || lr.height < patch) {
    throw new InputError(
      `LR of ${name} is ${lr.width}x${lr.height}: expected at least the patch, ${patch}x${patch}`,
    );
  }
  return pair;
}

/** Cuts sample `k` of iteration `step` (1-based) from its pair into the batch. */
export async function cutPatch(
  { lr, hr }: Pick<Pair, 'lr' | 'hr'>,
  options: PatchOptions,
  step: number,
  k: number,
  batch: PatchBatch,
): Promise<void> {
  const { patch, scale, seed } = options;
  const random = new Random(seed, 'crop', step, k);
  const top = random.integer(0, lr.height - patch);
  const left = random.integer(0, lr.width - patch);
  const turn = { flipX: random.chance(0.5), flipY: random.chance(0.5), transpose: random.chance(0.5) };
  const lengths = patchLengths(options);
  const part = (values: Float32Array, length: number): Float32Array =>
    values.subarray(k * length, (k + 1) * length);
  const [lrPatch, hrPatch] = [part(batch.lr, lengths.lr), part(batch.hr, lengths.hr)];
  const side = patch * scale;
  copyPatch(hr, left * scale, top * scale, side, turn, hrPatch);
  if (options.degradation === undefined) copyPatch(lr, left, top, patch, turn, lrPatch);
  else {
    const { margin } = options.degradation;
    const wide = side + 2 * margin * scale;
    const window = blankImage(wide, wide);
    copyPatch(hr, (left - margin) * scale, (top - margin) * scale, wide, turn, window.data);
    // As if cut from the LR of the whole picture.
    const degraded = await options.degradation.lrOf(window, new Random(seed, 'degradation', step, k));
    lrPatch.set(cropImage(degraded, margin, margin, patch, patch).data);
  }
  if (options.noise !== undefined && batch.noise !== undefined) {
    const image = { width: side, height: side, channels: 3, data: hrPatch };
    const noise = await noiseImage(image, new Random(seed, 'noise', step, k), options.noise);
    part(batch.noise, lengths.noise).set(noise.data);
  }
}

interface Symmetry {
  readonly flipX: boolean;
  readonly flipY: boolean;
  readonly transpose: boolean;
}

const UNIT = Float32Array.from({ length: 256 }, (_, v) => v / 255);

/**
 * Writes the `side` x `side` patch at (`left`, `top`), turned by `turn`, in [0,1]. Beyond its edges the picture is its
 * mirror image.
 */
function copyPatch(
  { data, width, height }: Pixels,
  left: number,
  top: number,
  side: number,
  { flipX, flipY, transpose }: Symmetry,
  to: Float32Array,
): void {
  // Where the values of the picture's columns and rows lie, in the order of the patch.
  const places = (start: number, flip: boolean, size: number, stride: number): Int32Array =>
    Int32Array.from({ length: side }, (_, i) => stride * mirror(start + (flip ? side - 1 - i : i), size));
  const columns = places(left, flipX, width, 3);
  const rows = places(top, flipY, height, 3 * width);
  const [across, down] = transpose ? [rows, columns] : [columns, rows];
  for (let y = 0, i = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const at = down[y] + across[x];
      to[i++] = UNIT[data[at]];
      to[i++] = UNIT[data[at + 1]];
      to[i++] = UNIT[data[at + 2]];
    }
  }
}
