/**
 * A picture in memory: row-major, channels last, float32. Colour pictures are RGB in [0,1] (values outside are allowed
 * until a file is written); one-channel pictures hold whatever plane their maker says.
 */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** height * width * channels values, index (y * width + x) * channels + c. */
  readonly data: Float32Array;
}

/** A black picture. */
export function blankImage(width: number, height: number, channels = 3): Image {
  return { width, height, channels, data: new Float32Array(width * height * channels) };
}

/** The rectangle of `width` x `height` pixels whose top-left corner is (`left`, `top`), copied. */
export function cropImage(image: Image, left: number, top: number, width: number, height: number): Image {
  const { channels } = image;
  if (left < 0 || top < 0 || left + width > image.width || top + height > image.height) {
    throw new RangeError(
      `crop ${width}x${height} at (${left}, ${top}) leaves a ${image.width}x${image.height} image`,
    );
  }
  const out = blankImage(width, height, channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * channels;
    out.data.set(image.data.subarray(from, from + width * channels), y * width * channels);
  }
  return out;
}

/** Index into a row of `n` pixels continued by reflection about its outer edges (… 1 0 | 0 1 … n-1 | n-1 n-2 …). */
export function mirror(i: number, n: number): number {
  if (i >= 0 && i < n) return i;
  const period = 2 * n;
  const j = ((i % period) + period) % period;
  return j < n ? j : period - 1 - j;
}
