import type { Image } from '../image/image';
import { InputError } from '../util/errors';
import { Random } from '../util/random';
import type { Paint } from './scene-canvas';
import { SceneCanvas } from './scene-canvas';
import type { NoiseTile } from './scene-objects';
import {
  noiseTile,
  panel,
  plain,
  randomGrating,
  randomLeaf,
  randomLettering,
  randomSurface,
} from './scene-objects';

/**
 * Seeded stand-ins for photographs, so that everything runs on a machine without a data set.
 *
 * The ground is the dead leaves model (Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 2001):
 * opaque shapes that hide one another, their radii with density 1/r^3 between two cut-offs. It has what a
 * super-resolution network must learn from photographs: sharp edges that occlude, scale invariance and a power
 * spectrum near 1/f^2. On it lie what photographs of built places have: textures inside the leaves (1/f grain,
 * shading), gratings and chequers, lettering, open sky, uneven light. Edges are antialiased by coverage and blended in
 * linear light.
 *
 * Left out on purpose: meaning, perspective, shadows, noise and compression (the simulated camera adds those two).
 */

/** Radius of a scene's smallest leaf, pixels: from foliage and gravel to plain walls. */
const SMALLEST_LEAF = { low: 2.5, high: 10 } as const;

/** Largest leaf, as a share of the picture's longer side. */
const LARGEST_LEAF = 0.4;

/**
 * A scene: RGB, sRGB-encoded, in [0,1]. The same seed and size give the same pixels; a scene is drawn for its size, so
 * a smaller one is not the corner of a larger one.
 * @throws InputError if a side is not a whole number of at least 16 pixels.
 */
export function drawScene(seed: number | string, width: number, height: number): Image {
  for (const [side, pixels] of Object.entries({ width, height })) {
    if (!Number.isInteger(pixels) || pixels < 16) {
      throw new InputError(`scene ${side}: expected a whole number of at least 16 pixels, found ${pixels}`);
    }
  }
  const random = new Random(seed, 'scene');
  const canvas = new SceneCanvas(width, height);
  const palette = new Palette(random);
  const noise = noiseTile(random);
  const smallest = random.logUniform(SMALLEST_LEAF.low, SMALLEST_LEAF.high);
  paintLettering(canvas, random, palette);
  paintGratings(canvas, random, palette);
  if (random.chance(0.4)) {
    paintLeaves(canvas, random, palette, noise, smallest, random.uniform(0.3, 0.9));
    paintSky(canvas, random, palette);
  }
  paintLeaves(canvas, random, palette, noise, smallest, 0);
  canvas.paint(wholeOf(canvas), () => 1, plain(palette.next(random)));
  return canvas.develop(illumination(random, width, height));
}

/**
 * Colours of one scene: a few tints that come back, each at a brightness of its own. Brightness is log-normal about
 * 0.18 of white, as scenes are; most tints are pale and lie between warm and cool, as surfaces under daylight do.
 */
class Palette {
  private readonly tints: readonly (readonly number[])[];

  constructor(random: Random) {
    this.tints = Array.from({ length: random.integer(4, 8) }, () => {
      const vivid = random.chance(0.2) ? 3 : 1;
      const warm = random.normal(0.08, 0.22) * vivid;
      const green = random.normal(0, 0.08) * vivid;
      const tint = [warm - green, green, -warm - green].map(Math.exp);
      const mean = (tint[0] + tint[1] + tint[2]) / 3;
      return tint.map((v) => v / mean);
    });
  }

  /** Linear light of the next surface. */
  next(random: Random): number[] {
    const brightness = Math.exp(random.truncatedNormal(Math.log(0.18), 0.9, Math.log(0.004), Math.log(0.9)));
    return random
      .pick(this.tints)
      .map((t) => Math.min(0.95, brightness * t * Math.exp(random.normal(0, 0.08))));
  }

  /** A second colour that stands off clearly from `other`. */
  against(random: Random, other: readonly number[]): number[] {
    const factor = 2 ** random.uniform(1.5, 4);
    return other[1] > 0.15
      ? other.map((v) => v / factor)
      : other.map((v) => Math.min(0.95, v * factor + 0.1));
  }
}

/** Leaves from front to back until only `openShare` of the picture is uncovered. */
function paintLeaves(
  canvas: SceneCanvas,
  random: Random,
  palette: Palette,
  noise: NoiseTile,
  smallest: number,
  openShare: number,
): void {
  const largest = Math.max(2 * smallest, LARGEST_LEAF * Math.max(canvas.width, canvas.height));
  const ratio = (smallest / largest) ** 2;
  // 1/r^3 hides the last specks only after very many leaves: the caller paints what is left.
  const last = Math.max(openShare, 0.0005);
  while (canvas.openShare > last) {
    // Inverse of the distribution function of the density 1/r^3 on [smallest, largest].
    const radius = smallest / Math.sqrt(1 - random.uniform() * (1 - ratio));
    // Centres fall anywhere within the largest radius, so that every size meets the border as often as it should.
    const x = random.uniform(-largest, canvas.width + largest);
    const y = random.uniform(-largest, canvas.height + largest);
    if (x < -radius || y < -radius || x > canvas.width + radius || y > canvas.height + radius) continue;
    const colour = palette.next(random);
    const shape = randomLeaf(random, x, y, radius);
    canvas.paint(shape.box, shape.coverage, randomSurface(random, colour, x, y, radius, noise));
  }
}

/** Up to three plates with letters 6 to 60 pixels high. */
function paintLettering(canvas: SceneCanvas, random: Random, palette: Palette): void {
  for (let n = random.integer(0, 3); n > 0; n--) {
    const size = 6 * Math.min(10, Math.max(1, canvas.height / 24)) ** random.uniform();
    const place = randomPlace(canvas, random);
    const { letters, plate } = randomLettering(random, place.x, place.y, size);
    const ground = palette.next(random);
    const ink = plain(palette.against(random, ground));
    for (const letter of letters) canvas.paint(letter.box, letter.coverage, ink);
    canvas.paint(plate.box, plate.coverage, plain(ground));
  }
}

/** Up to three panels of bars or chequers, as facades, fences and cloth have. */
function paintGratings(canvas: SceneCanvas, random: Random, palette: Palette): void {
  for (let n = random.integer(0, 3); n > 0; n--) {
    const half = Math.max(canvas.width, canvas.height) * random.uniform(0.03, 0.14);
    const { x, y } = randomPlace(canvas, random);
    const shape = panel(x, y, half, half * random.uniform(0.4, 1), random.normal(0, 0.3));
    canvas.paint(shape.box, shape.coverage, randomGrating(random, palette.next(random), half));
  }
}

/** Everything above a slanted horizon: one pale colour that gets brighter towards the ground. */
function paintSky(canvas: SceneCanvas, random: Random, palette: Palette): void {
  const horizon = canvas.height * random.uniform(0.3, 0.8);
  const slope = random.normal(0, 0.15);
  const pale = palette.next(random).map((v) => 0.25 + 0.6 * v);
  const fall = random.uniform(0.2, 0.8);
  const paint: Paint = (_x, y, out) => {
    const factor = 1 - fall * (1 - y / canvas.height);
    for (let c = 0; c < 3; c++) out[c] = pale[c] * factor;
  };
  const steep = Math.hypot(1, slope);
  canvas.paint(
    wholeOf(canvas),
    (x, y) => 0.5 + (horizon + slope * (x - canvas.width / 2) - y) / steep,
    paint,
  );
}

/** Light that falls unevenly: up to a stop from one side of the picture to the other, and up to half a stop of glow. */
function illumination(random: Random, width: number, height: number): (x: number, y: number) => number {
  const angle = random.uniform(0, 2 * Math.PI);
  const stops = random.uniform(0, 0.5);
  const gx = (stops * Math.cos(angle)) / width;
  const gy = (stops * Math.sin(angle)) / height;
  const glow = random.uniform(0, 0.5);
  const [cx, cy] = [random.uniform(0, width), random.uniform(0, height)];
  const reach = 2 / (width * width + height * height);
  return (x, y) => {
    const squared = (x - cx) ** 2 + (y - cy) ** 2;
    return (
      2 ** (2 * gx * (x - width / 2) + 2 * gy * (y - height / 2) + glow * Math.exp(-4 * reach * squared))
    );
  };
}

function randomPlace(canvas: SceneCanvas, random: Random): { x: number; y: number } {
  return { x: random.uniform(0, canvas.width), y: random.uniform(0, canvas.height) };
}

function wholeOf(canvas: SceneCanvas): { left: number; top: number; right: number; bottom: number } {
  return { left: 0, top: 0, right: canvas.width - 1, bottom: canvas.height - 1 };
}
