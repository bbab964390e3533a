import type { Random } from '../util/random';

/**
 * A stroke alphabet for the lettering in scenes: capitals and digits as polylines on a grid of 4 x 6 units. Drawn from
 * numbers rather than from a font, because installed fonts differ from machine to machine and a scene may not.
 */

/** One straight stroke, in units of the letter's grid: x to the right, y downwards from the letter's top. */
export interface Stroke {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** Width and height of every letter in grid units, and the step from one letter, or line, to the next. */
export const GLYPH = { width: 4, height: 6, advance: 5.6, leading: 9 } as const;

/** Each letter: polylines parted by '|', points as two digits, x then height above the base line. */
const ALPHABET: readonly string[] = [
  '00 26 40|12 32', // A
  '00 06 36 45 44 33 03|33 42 41 30 00', // B
  '45 36 16 05 01 10 30 41', // C
  '00 06 26 44 42 20 00', // D
  '46 06 00 40|03 33', // E
  '46 06 00|03 33', // F
  '45 36 16 05 01 10 30 41 43 23', // G
  '00 06|40 46|03 43', // H
  '10 30|20 26|16 36', // I
  '01 10 20 31 36', // J
  '00 06|46 03 40', // K
  '06 00 40', // L
  '00 06 23 46 40', // M
  '00 06 40 46', // N
  '10 01 05 16 36 45 41 30 10', // O
  '00 06 36 45 44 33 03', // P
  '00 06 36 45 44 33 03|23 40', // R
  '45 36 16 05 04 13 33 42 41 30 10 01', // S
  '06 46|26 20', // T
  '06 01 10 30 41 46', // U
  '06 20 46', // V
  '06 10 24 30 46', // W
  '00 46|06 40', // X
  '06 23 46|23 20', // Y
  '06 46 00 40', // Z
  '05 16 36 45 44 00 40', // 2
  '05 16 36 45 44 33 42 41 30 10 01|13 33', // 3
  '30 36 02 42', // 4
  '46 06 04 34 43 41 30 00', // 5
  '06 46 10', // 7
  '10 01 02 13 33 44 45 36 16 05 04 13|33 42 41 30 10', // 8
];

const STROKES: readonly (readonly Stroke[])[] = ALPHABET.map((letter) =>
  letter.split('|').flatMap((line) => {
    const points = line.split(' ').map((p) => ({ x: Number(p[0]), y: GLYPH.height - Number(p[1]) }));
    return points.slice(1).map((to, i) => ({ x0: points[i].x, y0: points[i].y, x1: to.x, y1: to.y }));
  }),
);

/** The strokes of one letter, drawn at random. */
export function randomGlyph(random: Random): readonly Stroke[] {
  return random.pick(STROKES);
}

/** Distance in grid units from (x, y) to the nearest stroke of a letter. */
export function distanceToGlyph(strokes: readonly Stroke[], x: number, y: number): number {
  let best = Infinity;
  for (const { x0, y0, x1, y1 } of strokes) {
    const dx = x1 - x0;
    const dy = y1 - y0;
    const along = ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy);
    const t = along < 0 ? 0 : along > 1 ? 1 : along;
    const ex = x - x0 - t * dx;
    const ey = y - y0 - t * dy;
    const squared = ex * ex + ey * ey;
    if (squared < best) best = squared;
  }
  return Math.sqrt(best);
}
