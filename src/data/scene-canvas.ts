import { linearToSrgb } from '../image/colour';
import type { Image } from '../image/image';
import { blankImage } from '../image/image';

/** Side of the square tiles by which covered regions are skipped, pixels. */
const TILE = 16;

/** A pixel of which less than this is still uncovered is finished: below half a grey level. */
const FINISHED = 1 / 512;

/** Axis-parallel bounds in pixels, ends included; may reach beyond the canvas. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** How much of the pixel centred on (x, y) an object covers, in [0,1]. */
export type Coverage = (x: number, y: number) => number;

/** Writes the object's linear light (R, G, B) at (x, y) into `out`. */
export type Paint = (x: number, y: number, out: Float64Array) => void;

/**
 * A picture painted from front to back: every pixel keeps the share of it that nothing has covered yet, and what is
 * painted later lies behind. So each pixel is computed about once however many objects a scene has, covered tiles are
 * skipped whole, and edges blend by coverage in linear light, as in a lens.
 */
export class SceneCanvas {
  private readonly light: Float32Array; // [height, width, 3]
  private readonly open: Float32Array; // [height, width], uncovered share
  private readonly tilesAcross: number;
  /** Unfinished pixels of each tile. */
  private readonly openInTile: Int32Array;
  private unfinished: number;
  private readonly colour = new Float64Array(3);

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.light = new Float32Array(width * height * 3);
    this.open = new Float32Array(width * height).fill(1);
    this.tilesAcross = Math.ceil(width / TILE);
    this.openInTile = new Int32Array(this.tilesAcross * Math.ceil(height / TILE));
    this.unfinished = width * height;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) this.openInTile[this.tileOf(x, y)]++;
    }
  }

  /** Share of the pixels that are not finished. */
  get openShare(): number {
    return this.unfinished / (this.width * this.height);
  }

  /** Puts an object behind everything painted so far. `coverage` is asked only within `box`. */
  paint(box: Box, coverage: Coverage, paint: Paint): void {
    const left = Math.max(0, Math.floor(box.left));
    const right = Math.min(this.width - 1, Math.ceil(box.right));
    const top = Math.max(0, Math.floor(box.top));
    const bottom = Math.min(this.height - 1, Math.ceil(box.bottom));
    if (left > right || top > bottom) return;
    for (let tileTop = top - (top % TILE); tileTop <= bottom; tileTop += TILE) {
      for (let tileLeft = left - (left % TILE); tileLeft <= right; tileLeft += TILE) {
        if (this.openInTile[this.tileOf(tileLeft, tileTop)] === 0) continue;
        const y1 = Math.min(bottom, tileTop + TILE - 1);
        const x1 = Math.min(right, tileLeft + TILE - 1);
        for (let y = Math.max(top, tileTop); y <= y1; y++) {
          for (let x = Math.max(left, tileLeft); x <= x1; x++) this.paintPixel(x, y, coverage, paint);
        }
      }
    }
  }

  /** The finished picture times `illumination` (a factor on linear light), encoded as sRGB in [0,1]. */
  develop(illumination: (x: number, y: number) => number): Image {
    const image = blankImage(this.width, this.height);
    for (let y = 0, i = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++) {
        const factor = illumination(x, y);
        for (let c = 0; c < 3; c++, i++) {
          image.data[i] = linearToSrgb(Math.min(1, Math.max(0, this.light[i] * factor)));
        }
      }
    }
    return image;
  }

  private paintPixel(x: number, y: number, coverage: Coverage, paint: Paint): void {
    const pixel = y * this.width + x;
    const open = this.open[pixel];
    if (open === 0) return;
    const cover = coverage(x, y);
    if (cover <= 0) return;
    let weight = open * Math.min(1, cover);
    if (open - weight < FINISHED) {
      weight = open;
      this.unfinished--;
      this.openInTile[this.tileOf(x, y)]--;
    }
    this.open[pixel] = open - weight;
    paint(x, y, this.colour);
    for (let c = 0; c < 3; c++) this.light[3 * pixel + c] += weight * this.colour[c];
  }

  private tileOf(x: number, y: number): number {
    return Math.floor(y / TILE) * this.tilesAcross + Math.floor(x / TILE);
  }
}
