import type { Box, Coverage, Paint } from './scene-canvas';
import { distanceToGlyph, GLYPH, randomGlyph } from './scene-glyphs';
import type { Random } from '../util/random';

/**
 * What scenes are made of: shapes (a coverage with analytic antialiasing), surfaces (a colour that varies over them)
 * and lettering. All lengths are pixels of the picture, colours are linear light.
 */

export interface Shape {
  readonly box: Box;
  readonly coverage: Coverage;
}

/** A frame of its own for an object: centre and direction, pixels and radians. */
interface Frame {
  readonly x: number;
  readonly y: number;
  readonly angle: number;
}

/** Signed distance in pixels, negative inside, in the frame of the shape. */
type Distance = (u: number, v: number) => number;

/**
 * The shape of a signed distance: half covered on its edge, the ramp from none to all `softness` pixels wide. One
 * pixel is the coverage of a straight edge by a pixel's area; more is an object out of focus.
 */
function shapeOf(frame: Frame, radius: number, softness: number, distance: Distance): Shape {
  const { x: cx, y: cy, angle } = frame;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const reach = radius + softness;
  return {
    box: { left: cx - reach, top: cy - reach, right: cx + reach, bottom: cy + reach },
    coverage: (x, y) => {
      const dx = x - cx;
      const dy = y - cy;
      return 0.5 - distance(cos * dx + sin * dy, cos * dy - sin * dx) / softness;
    },
  };
}

/** An ellipse, a rectangle or a convex polygon that just fits into the circle of `radius`. */
export function randomLeaf(random: Random, x: number, y: number, radius: number): Shape {
  const softness = random.chance(0.2) ? Math.min(radius / 2, random.uniform(1.5, 5)) : 1;
  const kind = random.uniform();
  // Built things stand upright more often than not; grown ones lie anyhow.
  const upright = random.chance(0.5) ? random.normal(0, 0.03) : random.uniform(0, Math.PI);
  const edge = Math.max(1, softness);
  if (kind < 0.45) {
    const frame = { x, y, angle: random.uniform(0, Math.PI) };
    return shapeOf(frame, radius, edge, ellipse(radius, radius * random.uniform(0.4, 1)));
  }
  if (kind < 0.75) {
    const corner = random.uniform(0.15, Math.PI / 4);
    const frame = { x, y, angle: upright + (random.chance(0.5) ? Math.PI / 2 : 0) };
    return shapeOf(frame, radius, edge, rectangle(radius * Math.cos(corner), radius * Math.sin(corner)));
  }
  return shapeOf({ x, y, angle: upright }, radius, edge, polygon(random, radius));
}

/** A rectangle with the given half sides, turned by `angle` radians. */
export function panel(x: number, y: number, halfWidth: number, halfHeight: number, angle: number): Shape {
  const radius = Math.hypot(halfWidth, halfHeight);
  return shapeOf({ x, y, angle }, radius, 1, rectangle(halfWidth, halfHeight));
}

/** First-order distance to an ellipse: exact on its edge, which is where coverage is decided. */
function ellipse(a: number, b: number): Distance {
  return (u, v) => {
    const level = Math.hypot(u / a, v / b);
    const slope = Math.hypot(u / (a * a), v / (b * b));
    return slope === 0 ? -b : (level * (level - 1)) / slope;
  };
}

function rectangle(a: number, b: number): Distance {
  return (u, v) => Math.max(Math.abs(u) - a, Math.abs(v) - b);
}

/** The polygon of 3 to 7 sides that the half planes at random distances leave. */
function polygon(random: Random, radius: number): Distance {
  const sides = random.integer(3, 7);
  const planes = Array.from({ length: sides }, (_, i) => {
    const direction = ((i + random.uniform(-0.3, 0.3)) * 2 * Math.PI) / sides;
    return [Math.cos(direction), Math.sin(direction), radius * random.uniform(0.45, 0.8)];
  });
  return (u, v) => {
    let distance = Math.hypot(u, v) - radius;
    for (const [nx, ny, offset] of planes) distance = Math.max(distance, nx * u + ny * v - offset);
    return distance;
  };
}

/** A periodic square of 1/f noise with mean 0 and standard deviation 1, read by `sampleNoise`. */
export type NoiseTile = Float32Array;

const NOISE_SIZE = 256;

/** Octaves of smooth random lattices, each at half the spacing and half the height of the one before. */
export function noiseTile(random: Random): NoiseTile {
  const tile = new Float32Array(NOISE_SIZE * NOISE_SIZE);
  for (let cells = 4, height = 1; cells <= NOISE_SIZE; cells *= 2, height /= 2) {
    const lattice = Float32Array.from({ length: cells * cells }, () => random.uniform(-height, height));
    const step = cells / NOISE_SIZE;
    for (let y = 0, i = 0; y < NOISE_SIZE; y++) {
      const y0 = Math.floor(y * step);
      const ty = smooth(y * step - y0);
      const above = y0 * cells;
      const below = ((y0 + 1) % cells) * cells;
      for (let x = 0; x < NOISE_SIZE; x++, i++) {
        const x0 = Math.floor(x * step);
        const x1 = (x0 + 1) % cells;
        const tx = smooth(x * step - x0);
        const top = lattice[above + x0] + tx * (lattice[above + x1] - lattice[above + x0]);
        const bottom = lattice[below + x0] + tx * (lattice[below + x1] - lattice[below + x0]);
        tile[i] += top + ty * (bottom - top);
      }
    }
  }
  let sum = 0;
  let squares = 0;
  for (const v of tile) {
    sum += v;
    squares += v * v;
  }
  const mean = sum / tile.length;
  const std = Math.sqrt(squares / tile.length - mean * mean);
  for (let i = 0; i < tile.length; i++) tile[i] = (tile[i] - mean) / std;
  return tile;
}

function smooth(t: number): number {
  return t * t * (3 - 2 * t);
}

/** Bilinear reading of the tile at (u, v) in its own pixels, repeated without end. */
function sampleNoise(tile: NoiseTile, u: number, v: number): number {
  const u0 = Math.floor(u);
  const v0 = Math.floor(v);
  const [fu, fv] = [u - u0, v - v0];
  const mask = NOISE_SIZE - 1;
  const row0 = (v0 & mask) * NOISE_SIZE;
  const row1 = ((v0 + 1) & mask) * NOISE_SIZE;
  const [c0, c1] = [u0 & mask, (u0 + 1) & mask];
  const top = tile[row0 + c0] + fu * (tile[row0 + c1] - tile[row0 + c0]);
  const bottom = tile[row1 + c0] + fu * (tile[row1 + c1] - tile[row1 + c0]);
  return top + fv * (bottom - top);
}

/** A pattern over the plane with values about 0, of the order of 1, and its place and strength on a surface. */
type Pattern = (x: number, y: number) => number;

/** A surface of the given size: a colour with shading, grain, a grating, a chequer or nothing on it. */
export function randomSurface(
  random: Random,
  colour: readonly number[],
  x: number,
  y: number,
  radius: number,
  noise: NoiseTile,
): Paint {
  const kind = random.uniform();
  if (kind < 0.15) return plain(colour);
  if (kind < 0.4) return modulated(colour, random.uniform(0.1, 0.5), ramp(random, x, y, radius));
  if (kind < 0.87) return modulated(colour, random.uniform(0.08, 0.6), grain(random, noise));
  return randomGrating(random, colour, radius);
}

/** A grating or chequer of 2.5 pixels' period up to half the surface, between a colour and a share of it. */
export function randomGrating(random: Random, colour: readonly number[], radius: number): Paint {
  const period = 2.5 * Math.max(1, radius / 2.5) ** random.uniform();
  const angle = random.chance(0.5) ? random.pick([0, Math.PI / 2]) : random.uniform(0, Math.PI);
  const phase = random.uniform(0, period);
  const pattern = random.pick([sine, bars, chequer])(period, angle, phase);
  return modulated(colour, random.uniform(0.2, 0.9), pattern);
}

export function plain(colour: readonly number[]): Paint {
  return (_x, _y, out) => {
    for (let c = 0; c < 3; c++) out[c] = colour[c];
  };
}

/** The colour times (1 + depth * pattern), never below a twentieth of it. */
function modulated(colour: readonly number[], depth: number, pattern: Pattern): Paint {
  return (x, y, out) => {
    const factor = Math.max(0.05, 1 + depth * pattern(x, y));
    for (let c = 0; c < 3; c++) out[c] = colour[c] * factor;
  };
}

/** Light falling off over a surface: linear from -1 to 1 over its diameter. */
function ramp(random: Random, x: number, y: number, radius: number): Pattern {
  const angle = random.uniform(0, 2 * Math.PI);
  const gx = Math.cos(angle) / radius;
  const gy = Math.sin(angle) / radius;
  return (px, py) => gx * (px - x) + gy * (py - y);
}

/** 1/f noise, turned, magnified by up to three and often drawn out into fibres. */
function grain(random: Random, tile: NoiseTile): Pattern {
  const angle = random.uniform(0, Math.PI);
  const scale = random.uniform(0.3, 1);
  const stretch = random.chance(0.4) ? random.uniform(0.15, 0.6) : 1;
  const [cos, sin] = [Math.cos(angle) * scale, Math.sin(angle) * scale];
  const [ou, ov] = [random.uniform(0, NOISE_SIZE), random.uniform(0, NOISE_SIZE)];
  return (x, y) => sampleNoise(tile, ou + (cos * x + sin * y) * stretch, ov + cos * y - sin * x);
}

function sine(period: number, angle: number, phase: number): Pattern {
  const step = (2 * Math.PI) / period;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return (x, y) => Math.sin(step * (cos * x + sin * y + phase));
}

/** Bars of half a period each, -1 and 1, with edges one pixel wide. */
function bars(period: number, angle: number, phase: number): Pattern {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return (x, y) => {
    const along = (cos * x + sin * y + phase) / period;
    const fromMiddle = Math.abs(along - Math.floor(along) - 0.5); // 0 in mid bar, 0.25 at its edges
    return Math.min(1, Math.max(-1, 2 * (0.25 - fromMiddle) * period));
  };
}

function chequer(period: number, angle: number, phase: number): Pattern {
  const across = bars(period, angle, phase);
  const down = bars(period, angle + Math.PI / 2, phase);
  return (x, y) => across(x, y) * down(x, y);
}

/** Lines of letters, and the plate they stand on (to be painted behind them). */
export interface Lettering {
  readonly letters: readonly Shape[];
  readonly plate: Shape;
}

/** One to four lines of letters, centred on (x, y), with letters `size` pixels high. */
export function randomLettering(random: Random, x: number, y: number, size: number): Lettering {
  const unit = size / GLYPH.height;
  const columns = random.integer(3, 10);
  const lines = random.integer(1, 4);
  const angle = random.normal(0, 0.12);
  const weight = unit * random.uniform(0.35, 0.7); // half a stroke's width
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const width = (columns - 1) * GLYPH.advance;
  const height = (lines - 1) * GLYPH.leading;
  const letters: Shape[] = [];
  for (let line = 0; line < lines; line++) {
    for (let column = 0; column < columns; column++) {
      if (random.chance(0.12)) continue; // the gap between words
      const strokes = randomGlyph(random);
      const u = (column * GLYPH.advance - width / 2) * unit;
      const v = (line * GLYPH.leading - height / 2) * unit;
      const frame = { x: x + cos * u - sin * v, y: y + sin * u + cos * v, angle };
      const reach = unit * Math.hypot(GLYPH.width / 2, GLYPH.height / 2) + weight;
      const toGlyph: Distance = (p, q) =>
        unit * distanceToGlyph(strokes, p / unit + GLYPH.width / 2, q / unit + GLYPH.height / 2) - weight;
      letters.push(shapeOf(frame, reach, 1, toGlyph));
    }
  }
  const halfWidth = (width / 2 + GLYPH.advance) * unit;
  const halfHeight = (height / 2 + GLYPH.leading * 0.8) * unit;
  return { letters, plate: panel(x, y, halfWidth, halfHeight, angle) };
}
