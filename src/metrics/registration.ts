/**
 * Where the content of one picture lies in another, measured from the pictures alone: dense Lucas-Kanade registration
 * (Lucas and Kanade, "An iterative image registration technique with an application to stereo vision", 1981), coarse to
 * fine. It is the ruler that says which geometry a mimicked or warped LR picture shows, and has nothing in common with the
 * flow networks that made it. Built for small rests of misalignment between pictures that differ in colour, blur and
 * noise: what is compared is luma with its local mean taken off and its local contrast made equal.
 */
import { lumaPlane } from '../image/colour';
import { gaussianBlur, interpolate } from '../image/filter';
import { blankImage, type Image } from '../image/image';
import { InputError } from '../util/errors';

export interface Registration {
  /** [h, w, 2], x before y, pixels: second at p + flow(p) shows what first shows at p. */
  readonly flow: Image;
  /** [h, w, 1]: 1 on the third of the pixels, away from the border, where the picture has most texture in every direction; else 0. */
  readonly textured: Image;
}

/** Of the Gaussian window of one estimate, pixels. */
const WINDOW_SIGMA = 5;
/** Over which neighbourhood mean and contrast are made equal, pixels. */
const LOCAL_SIGMA = 8;
/** Blur of both pictures before all else, against noise and aliasing, pixels. */
const SMOOTHING_SIGMA = 0.7;
const LEAST_SIDE = 16;
const ITERATIONS = 6;
const BORDER = 4;
const TEXTURED_SHARE = 1 / 3;

/**
 * @param first RGB or grey, any range; at least 16 pixels a side
 * @param second of the same size
 * @throws InputError if the sizes differ or are too small
 */
export function register(first: Image, second: Image): Registration {
  const { width, height } = first;
  if (second.width !== width || second.height !== height || Math.min(width, height) < LEAST_SIDE) {
    throw new InputError(
      `cannot register pictures of ${width}x${height} and ${second.width}x${second.height}: ` +
        `expected equal sizes of at least ${LEAST_SIDE}x${LEAST_SIDE}`,
    );
  }
  const planes = [first, second].map((image) => (image.channels === 1 ? image : lumaPlane(image)));
  const levels = Math.floor(Math.log2(Math.min(width, height) / LEAST_SIDE));
  let flow: Image | undefined;
  let corner = blankImage(width, height, 1);
  for (let level = levels; level >= 0; level--) {
    const [w, h] = [Math.ceil(width / 2 ** level), Math.ceil(height / 2 ** level)];
    const [a, b] = planes.map((plane) => equalised(interpolate(plane, w, h, 'area')));
    flow = flow === undefined ? blankImage(w, h, 2) : enlarged(flow, w, h);
    ({ flow, corner } = refined(a, b, flow));
  }
  return { flow: flow!, textured: mostTextured(corner) };
}

const wide = (sigma: number): number => 2 * Math.ceil(3 * sigma) + 1;

/** Less its local mean, over its local contrast (kept from exploding where there is none). */
function equalised(plane: Image): Image {
  const blur = (image: Image): Image => gaussianBlur(image, LOCAL_SIGMA, wide(LOCAL_SIGMA));
  const smooth = gaussianBlur(plane, SMOOTHING_SIGMA, wide(SMOOTHING_SIGMA));
  const mean = blur(smooth);
  const rest = { ...plane, data: smooth.data.map((v, i) => v - mean.data[i]) };
  const power = blur({ ...rest, data: rest.data.map((v) => v * v) });
  const floor = 0.1 * Math.sqrt(power.data.reduce((sum, v) => sum + v, 0) / power.data.length) + 1e-6;
  return { ...rest, data: rest.data.map((v, i) => v / (Math.sqrt(power.data[i]) + floor)) };
}

function enlarged(flow: Image, width: number, height: number): Image {
  const out = interpolate(flow, width, height, 'linear');
  const [fx, fy] = [width / flow.width, height / flow.height];
  return { ...out, data: out.data.map((v, i) => v * (i % 2 === 0 ? fx : fy)) };
}

/** Gauss-Newton steps at one level; `corner` is the smaller eigenvalue of each window's structure tensor. */
function refined(a: Image, b: Image, start: Image): { flow: Image; corner: Image } {
  const { width, height } = a;
  const n = width * height;
  const [ax, ay] = gradients(a);
  const flow = { ...start, data: start.data.slice() };
  const corner = blankImage(width, height, 1);
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const seen = sampled(b, flow);
    const [bx, by] = gradients(seen);
    const products = blankImage(width, height, 5);
    for (let i = 0; i < n; i++) {
      const [gx, gy] = [(ax[i] + bx[i]) / 2, (ay[i] + by[i]) / 2];
      const gt = seen.data[i] - a.data[i];
      products.data.set([gx * gx, gx * gy, gy * gy, gx * gt, gy * gt], 5 * i);
    }
    const { data } = gaussianBlur(products, WINDOW_SIGMA, wide(WINDOW_SIGMA));
    let energy = 0;
    for (let i = 0; i < n; i++) energy += data[5 * i] + data[5 * i + 2];
    const damping = (1e-3 * energy) / n + 1e-9;
    for (let i = 0; i < n; i++) {
      const [xx, xy, yy, xt, yt] = data.subarray(5 * i, 5 * i + 5);
      const determinant = (xx + damping) * (yy + damping) - xy * xy;
      const [u, v] = [
        ((yy + damping) * xt - xy * yt) / determinant,
        ((xx + damping) * yt - xy * xt) / determinant,
      ];
      const long = Math.max(1, Math.hypot(u, v)); // no step beyond a pixel: there the linearisation ends
      flow.data[2 * i] -= u / long;
      flow.data[2 * i + 1] -= v / long;
      corner.data[i] = (xx + yy) / 2 - Math.hypot((xx - yy) / 2, xy);
    }
  }
  return { flow, corner };
}

/** Central differences, one-sided at the border. */
function gradients({ width, height, data }: Image): [Float32Array, Float32Array] {
  const [gx, gy] = [new Float32Array(data.length), new Float32Array(data.length)];
  for (let y = 0, i = 0; y < height; y++) {
    const [up, down] = [Math.max(0, y - 1), Math.min(height - 1, y + 1)];
    for (let x = 0; x < width; x++, i++) {
      const [left, right] = [Math.max(0, x - 1), Math.min(width - 1, x + 1)];
      gx[i] = (data[y * width + right] - data[y * width + left]) / (right - left);
      gy[i] = (data[down * width + x] - data[up * width + x]) / (down - up);
    }
  }
  return [gx, gy];
}

/** A plane at p + flow(p), bilinear, the border repeated. */
function sampled(plane: Image, flow: Image): Image {
  const { width, height, data } = plane;
  const out = blankImage(width, height, 1);
  const inside = (at: number, n: number): number => Math.min(n - 1, Math.max(0, at));
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const sx = inside(x + flow.data[2 * i], width);
      const sy = inside(y + flow.data[2 * i + 1], height);
      const [left, top] = [Math.floor(sx), Math.floor(sy)];
      const [right, bottom] = [inside(left + 1, width), inside(top + 1, height)];
      const [fx, fy] = [sx - left, sy - top];
      const above = (1 - fx) * data[top * width + left] + fx * data[top * width + right];
      const below = (1 - fx) * data[bottom * width + left] + fx * data[bottom * width + right];
      out.data[i] = (1 - fy) * above + fy * below;
    }
  }
  return out;
}

/** The share of the inner pixels with the largest values. */
function mostTextured({ width, height, data }: Image): Image {
  const out = blankImage(width, height, 1);
  const inner: number[] = [];
  for (let y = BORDER; y < height - BORDER; y++) {
    for (let x = BORDER; x < width - BORDER; x++) inner.push(y * width + x);
  }
  inner.sort((i, j) => data[j] - data[i]);
  for (const i of inner.slice(0, Math.ceil(inner.length * TEXTURED_SHARE))) out.data[i] = 1;
  return out;
}
