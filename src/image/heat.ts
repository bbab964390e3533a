/** Planes of numbers as colours, to look at. */
import { blankImage, type Image } from './image';

/**
 * A one-channel picture on the "hot" scale: black at 0 through red and yellow to white at `most` and above. Pictures that
 * are to be compared get the same `most`.
 */
export function heat(plane: Image, most: number): Image {
  const out = blankImage(plane.width, plane.height);
  for (let i = 0; i < plane.data.length; i++) {
    const t = (3 * plane.data[i]) / most;
    for (let c = 0; c < 3; c++) out.data[3 * i + c] = Math.min(1, Math.max(0, t - c));
  }
  return out;
}

/** The colours of the scale, from 0 at the left to `most` at the right. */
export function heatScale(width: number, height: number): Image {
  const plane = blankImage(width, height, 1);
  for (let i = 0; i < plane.data.length; i++) plane.data[i] = (i % width) / (width - 1);
  return heat(plane, 1);
}

/** What is white of error maps: nearly the largest error, since one odd pixel would darken all others. */
const SCALE_QUANTILE = 0.995;

/** The `most` of maps that are to be compared: what 0.5 % of all their pixels exceed, at least one grey level of 255. */
export function commonScale(maps: readonly Image[]): number {
  const values = new Float32Array(maps.reduce((sum, { data }) => sum + data.length, 0));
  let filled = 0;
  for (const { data } of maps) {
    values.set(data, filled);
    filled += data.length;
  }
  values.sort();
  return Math.max(values[Math.floor(SCALE_QUANTILE * (values.length - 1))], 1 / 255);
}
