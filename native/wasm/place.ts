/**
 * An image put into a larger (or smaller) frame of zeros, its pixels apart: the padding before a convolution, and the
 * spreading of a gradient by the stride before the transposed one.
 */
import { copyRun, zeroRun } from './run';

/**
 * out[b, beforeY + gapY y, beforeX + gapX x] = image[b, y, x] wherever that is inside the frame, 0 elsewhere.
 * Unit: rows of the frame, over all images. `pixel`: bytes of one.
 */
export function place(
  image: usize,
  out: usize,
  height: i32,
  width: i32,
  pixel: i32,
  outHeight: i32,
  outWidth: i32,
  beforeY: i32,
  beforeX: i32,
  gapY: i32,
  gapX: i32,
  begin: i32,
  end: i32,
): void {
  const outRow = outWidth * pixel;
  for (let row = begin; row < end; row++) {
    const b = row / outHeight;
    const down = row - b * outHeight - beforeY;
    const to = out + row * outRow;
    const y = down / gapY;
    if (down < 0 || y * gapY != down || y >= height) {
      zeroRun(to, outRow);
      continue;
    }
    const from = image + (b * height + y) * width * pixel;
    if (gapX == 1) {
      const cut = max(0, -beforeX);
      const left = min(max(0, beforeX), outWidth);
      const kept = max(0, min(width - cut, outWidth - left));
      zeroRun(to, left * pixel);
      copyRun(from + cut * pixel, to + left * pixel, kept * pixel);
      zeroRun(to + (left + kept) * pixel, (outWidth - left - kept) * pixel);
    } else {
      zeroRun(to, outRow);
      for (let x = 0, at = beforeX; x < width; x++, at += gapX) {
        if (at >= 0 && at < outWidth) copyRun(from + x * pixel, to + at * pixel, pixel);
      }
    }
  }
}
