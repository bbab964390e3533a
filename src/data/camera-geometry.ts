import type { Image } from '../image/image';
import { blankImage, mirror } from '../image/image';
import { keysWeights } from '../image/keys';
import { InputError } from '../util/errors';
import type { Random } from '../util/random';
import type { CameraGeometry } from './camera-options';

/**
 * Where the simulated camera sees what: the movement of the content between an HR picture and its LR picture, the true
 * flow that follows from it, and the one resampling of the HR picture.
 *
 * Grid: pixels are areas. LR pixel i covers HR pixels 4i … 4i+3, so LR position p lies at HR position 4p + 1.5, as in
 * the x4 networks. Positions below are LR pixels on that common grid, (0, 0) the centre of the first LR pixel.
 *
 * The movement g is given at LR positions: what LR position p shows has come there by g(p), from the place p - g(p) of
 * the undisturbed picture. Its parts add up:
 *
 *   g(p) = shift + (p - c) - Rot(-angle) (p - c) / s          similarity about the middle c
 *        + distortion * q |q|^2,  q = (p - c) / half diagonal  radial distortion
 *        + B-spline of random coefficients                     parallax
 *
 * The true flow at x is where the content of x went: flow(x) = g(x + flow(x)), solved to float32 accuracy.
 *
 * Left out on purpose: depth edges (the movement is smooth, nothing occludes anything) and rolling shutter.
 */
export class Movement {
  private readonly middleX: number;
  private readonly middleY: number;
  private readonly halfDiagonal: number;
  /** I - Rot(-angle) / s, row by row: what the similarity moves p - c by. */
  private readonly similarity: readonly [number, number, number, number];
  private readonly field: RandomField | undefined;

  /** For an LR picture of `width` x `height`. `random` is drawn from only if there is parallax. */
  constructor(
    private readonly geometry: CameraGeometry,
    readonly width: number,
    readonly height: number,
    random: Random,
  ) {
    this.middleX = (width - 1) / 2;
    this.middleY = (height - 1) / 2;
    this.halfDiagonal = Math.hypot(width, height) / 2;
    const angle = geometry.rotation / this.halfDiagonal;
    const s = 1 + geometry.zoom / this.halfDiagonal;
    if (!(s > 0)) {
      throw new InputError(
        `camera options: key 'geometry.zoom': expected above ${-this.halfDiagonal} for an LR picture of ` +
          `${width}x${height}, found ${geometry.zoom}`,
      );
    }
    const [cos, sin] = [Math.cos(angle) / s, Math.sin(angle) / s];
    this.similarity = [1 - cos, -sin, sin, 1 - cos];
    if (geometry.parallax > 0) {
      this.field = new RandomField(width, height, geometry.parallaxSpacing, geometry.parallax, random);
    }
  }

  /** True if nothing moves: pictures then stay as they are, bit for bit. */
  get isNone(): boolean {
    const { shiftX, shiftY, rotation, zoom, distortion, parallax } = this.geometry;
    return [shiftX, shiftY, rotation, zoom, distortion, parallax].every((v) => v === 0);
  }

  /**
   * The true flow on the LR grid: [height, width, 2], x to the right and y down, LR pixels. It points from the HR
   * picture (shrunk) to the LR picture: LR sampled at x + flow(x) aligns with the shrunk HR at x. Where x + flow(x)
   * lies outside the LR picture, the content has left it.
   * @throws InputError if the picture folds over itself, so that no single flow exists.
   */
  trueFlow(): Image {
    const flow = blankImage(this.width, this.height, 2);
    if (this.isNone) return flow;
    const g = new Float64Array(2);
    // Each pixel starts from its neighbour's flow, which is near.
    let u = 0;
    let v = 0;
    for (let y = 0, i = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++, i += 2) {
        let step = Infinity;
        for (let n = 0; step > 1e-7 && n < 100; n++) {
          this.at(x + u, y + v, g);
          step = Math.abs(g[0] - u) + Math.abs(g[1] - v);
          u = g[0];
          v = g[1];
        }
        if (step > 1e-4) throw this.folds(x, y);
        flow.data[i] = u;
        flow.data[i + 1] = v;
      }
    }
    return flow;
  }

  /**
   * The HR picture as it looks after the movement, on its own grid: [4 height, 4 width, 3] in and out, by one cubic
   * convolution (Keys 1981, a = -1/2) of the given values. What lies outside the picture is its mirror image.
   */
  resample(hr: Image): Image {
    const { width, height, data } = hr;
    const out = blankImage(width, height);
    const g = new Float64Array(2);
    const [wx, wy] = [new Float64Array(4), new Float64Array(4)];
    const columns = new Int32Array(4);
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i += 3) {
        this.at((x - 1.5) / 4, (y - 1.5) / 4, g);
        const sx = x - 4 * g[0];
        const sy = y - 4 * g[1];
        const x0 = Math.floor(sx);
        const y0 = Math.floor(sy);
        keysWeights(sx - x0, wx);
        keysWeights(sy - y0, wy);
        for (let k = 0; k < 4; k++) columns[k] = 3 * mirror(x0 - 1 + k, width);
        let r = 0;
        let gr = 0;
        let b = 0;
        for (let j = 0; j < 4; j++) {
          const row = 3 * width * mirror(y0 - 1 + j, height);
          for (let k = 0; k < 4; k++) {
            const w = wy[j] * wx[k];
            const at = row + columns[k];
            r += w * data[at];
            gr += w * data[at + 1];
            b += w * data[at + 2];
          }
        }
        out.data[i] = r;
        out.data[i + 1] = gr;
        out.data[i + 2] = b;
      }
    }
    return out;
  }

  /** g at LR position (x, y). */
  private at(x: number, y: number, g: Float64Array): void {
    const dx = x - this.middleX;
    const dy = y - this.middleY;
    const { shiftX, shiftY, distortion } = this.geometry;
    const [a, b, c, d] = this.similarity;
    const qx = dx / this.halfDiagonal;
    const qy = dy / this.halfDiagonal;
    const radial = distortion * (qx * qx + qy * qy);
    g[0] = shiftX + a * dx + b * dy + radial * qx;
    g[1] = shiftY + c * dx + d * dy + radial * qy;
    this.field?.addTo(g, x, y);
  }

  private folds(x: number, y: number): InputError {
    const { parallax, parallaxSpacing } = this.geometry;
    return new InputError(
      `camera options: key 'geometry': the movement folds the picture at LR pixel x ${x}, y ${y}; expected a smoother one, ` +
        `found parallax ${parallax} at parallaxSpacing ${parallaxSpacing} (LR px)`,
    );
  }
}

/** Margin beyond the picture, LR pixels, within which the random field goes on; further out it stays constant. */
const FIELD_MARGIN = 32;

/** A vector field with isotropic normal values: uniform cubic B-splines on a square lattice. */
class RandomField {
  private readonly columns: number;
  private readonly rows: number;
  private readonly coefficients: Float64Array; // [rows, columns, 2]
  private readonly across = new Float64Array(4);
  private readonly down = new Float64Array(4);

  constructor(
    width: number,
    height: number,
    private readonly spacing: number,
    rms: number,
    random: Random,
  ) {
    this.columns = Math.ceil((width + 2 * FIELD_MARGIN) / spacing) + 3;
    this.rows = Math.ceil((height + 2 * FIELD_MARGIN) / spacing) + 3;
    // A B-spline series with unit white coefficients has variance 151/315 in one dimension (mean of the squared
    // weights over a cell), its square in two; the length of the vector has two components.
    const scale = rms / (Math.SQRT2 * (151 / 315));
    this.coefficients = Float64Array.from({ length: 2 * this.columns * this.rows }, () =>
      random.normal(0, scale),
    );
  }

  /** Adds the field's vector at LR position (x, y) to g. */
  addTo(g: Float64Array, x: number, y: number): void {
    const column = this.cell(x, this.columns, this.across);
    const row = this.cell(y, this.rows, this.down);
    for (let j = 0; j < 4; j++) {
      for (let k = 0, at = 2 * ((row + j) * this.columns + column); k < 4; k++, at += 2) {
        const w = this.down[j] * this.across[k];
        g[0] += w * this.coefficients[at];
        g[1] += w * this.coefficients[at + 1];
      }
    }
  }

  /** The first of the four lattice lines about `position`, whose weights are left in `weights`. */
  private cell(position: number, lines: number, weights: Float64Array): number {
    const along = Math.min(Math.max((position + FIELD_MARGIN) / this.spacing, 0), lines - 3 - 1e-9);
    const first = Math.floor(along);
    const t = along - first;
    const s = 1 - t;
    weights[0] = (s * s * s) / 6;
    weights[1] = (4 - 6 * t * t + 3 * t * t * t) / 6;
    weights[2] = (4 - 6 * s * s + 3 * s * s * s) / 6;
    weights[3] = (t * t * t) / 6;
    return first;
  }
}
