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
