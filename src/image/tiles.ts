/**
 * Work on a large picture in tiles. Neighbouring tiles overlap and are blended linearly across the overlap, so there is no
 * seam.
 */
import { blankImage, type Image } from './image';

export interface Tiling {
  /** Side of a tile, pixels of the input, overlap included. A picture that fits is done in one piece. */
  readonly tile: number;
  /** Pixels of the input that neighbouring tiles share; at most half a tile. */
  readonly overlap: number;
  /** Pixels of the output a pixel of the input. */
  readonly scale: number;
  /** Called after each of several tiles. */
  readonly onTile?: (done: number, total: number) => void;
}

/** A rectangle of the input, pixels. */
export interface Tile {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * The output for an input of `width` x `height`.
 * @param piece makes the output of one tile, `scale` times its size, RGB
 */
export async function inTiles(
  width: number,
  height: number,
  { tile, overlap, scale, onTile }: Tiling,
  piece: (tile: Tile) => Promise<Image>,
): Promise<Image> {
  const columns = starts(width, tile, overlap);
  const rows = starts(height, tile, overlap);
  if (columns.length * rows.length === 1) return piece({ left: 0, top: 0, width, height });
  const out = blankImage(width * scale, height * scale);
  const total = new Float32Array(out.width * out.height);
  let done = 0;
  for (const top of rows) {
    for (const left of columns) {
      const [w, h] = [Math.min(tile, width - left), Math.min(tile, height - top)];
      const made = await piece({ left, top, width: w, height: h });
      const wx = ramp(w, left > 0, left + w < width, overlap, scale);
      const wy = ramp(h, top > 0, top + h < height, overlap, scale);
      addWeighted(out, total, made, left * scale, top * scale, wx, wy);
      onTile?.(++done, rows.length * columns.length);
    }
  }
  for (let i = 0; i < total.length; i++) for (let c = 0; c < 3; c++) out.data[i * 3 + c] /= total[i];
  return out;
}

/** First pixels of the tiles along an axis. The last tile may be smaller than the others, never below the overlap. */
function starts(length: number, tile: number, overlap: number): number[] {
  const all = [0];
  while (all[all.length - 1] + tile < length) all.push(all[all.length - 1] + tile - overlap);
  return all;
}

/**
 * Blending weights along one axis of a tile's output: up over the overlap before it, down over the one after it. The
 * outer quarter of an overlap, which the tile's border has touched most, has no weight.
 */
function ramp(length: number, before: boolean, after: boolean, overlap: number, scale: number): Float32Array {
  const n = length * scale;
  const margin = (overlap * scale) / 4;
  const rise = (i: number): number => Math.min(1, Math.max(0, (i + 0.5 - margin) / (2 * margin)));
  return Float32Array.from({ length: n }, (_, i) =>
    Math.min(before ? rise(i) : 1, after ? rise(n - 1 - i) : 1),
  );
}

function addWeighted(
  out: Image,
  total: Float32Array,
  piece: Image,
  left: number,
  top: number,
  wx: Float32Array,
  wy: Float32Array,
): void {
  for (let y = 0; y < piece.height; y++) {
    for (let x = 0; x < piece.width; x++) {
      const weight = wx[x] * wy[y];
      const to = (top + y) * out.width + left + x;
      const from = (y * piece.width + x) * 3;
      total[to] += weight;
      for (let c = 0; c < 3; c++) out.data[to * 3 + c] += weight * piece.data[from + c];
    }
  }
}
