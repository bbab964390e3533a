/** Pictures side by side with captions, for looking at: the comparison images that commands write. */
import sharp from 'sharp';
import { InputError } from '../util/errors';
import { escapeMarkup } from '../util/escape';
import { blankImage, cropImage, type Image } from './image';
import { fromIntegers, toUint8 } from './quantise';

export interface Panel {
  /** RGB in [0,1]. All panels of a montage have the same size. */
  readonly image: Image;
  readonly caption: string;
}

const GAP = 8;
const CAPTION = 22;

/**
 * A grid of panels on white, captions below each.
 * @param rows panels, row by row
 * @param zoom every pixel becomes zoom x zoom
 * @throws InputError without panels, and for panels of different sizes
 */
export async function montage(rows: readonly (readonly Panel[])[], zoom = 1): Promise<Image> {
  const first = rows[0]?.[0];
  if (first === undefined) throw new InputError('a montage needs at least one picture');
  const [width, height] = [first.image.width * zoom, first.image.height * zoom];
  const other = rows
    .flat()
    .find(({ image }) => image.width !== first.image.width || image.height !== first.image.height);
  if (other !== undefined) {
    const sizeOf = ({ image, caption }: Panel): string => `'${caption}' is ${image.width}x${image.height}`;
    throw new InputError(`the pictures of a montage have one size: ${sizeOf(first)}, ${sizeOf(other)}`);
  }
  const columns = Math.max(...rows.map((row) => row.length));
  const size = { width: GAP + columns * (width + GAP), height: GAP + rows.length * (height + CAPTION + GAP) };
  const overlays: sharp.OverlayOptions[] = [];
  const captions: string[] = [];
  for (const [r, row] of rows.entries()) {
    for (const [c, { image, caption }] of row.entries()) {
      const left = GAP + c * (width + GAP);
      const top = GAP + r * (height + CAPTION + GAP);
      const raw = { width: image.width, height: image.height, channels: 3 as const };
      const enlarged = await sharp(toUint8(image), { raw })
        .resize(width, height, { kernel: 'nearest' })
        .png()
        .toBuffer();
      overlays.push({ input: enlarged, left, top });
      // Long captions in smaller letters, of which each is about 0.58 of their size wide.
      const letters = Math.min(14, (width + GAP / 2) / (0.58 * Math.max(1, caption.length)));
      captions.push(
        `<text x="${left + width / 2}" y="${top + height + 16}" font-size="${letters.toFixed(1)}">${escapeMarkup(caption)}</text>`,
      );
    }
  }
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" font-family="sans-serif" ` +
    `text-anchor="middle">${captions.join('')}</svg>`;
  const { data } = await sharp({ create: { ...size, channels: 3, background: 'white' } })
    .composite([...overlays, { input: Buffer.from(svg) }])
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return fromIntegers(new Uint8Array(data), size.width, size.height, 3);
}

/** Rows of at most `most` panels, as nearly equal as they can be. */
export function inRows(panels: readonly Panel[], most: number): Panel[][] {
  const columns = Math.ceil(panels.length / Math.ceil(panels.length / most));
  const rows: Panel[][] = [];
  for (let i = 0; i < panels.length; i += columns) rows.push(panels.slice(i, i + columns));
  return rows;
}

/** The `side` x `side` square with the most detail (mean absolute difference of neighbours), on a grid of side / 4. */
export function busiestSquare(image: Image, side: number): { readonly left: number; readonly top: number } {
  const size = Math.min(side, image.width, image.height);
  let best = { left: 0, top: 0 };
  let most = -1;
  const stride = Math.max(1, Math.floor(size / 4));
  for (let top = 0; top + size <= image.height; top += stride) {
    for (let left = 0; left + size <= image.width; left += stride) {
      const { data } = cropImage(image, left, top, size, size);
      let detail = 0;
      for (let i = 3; i < data.length; i++) detail += Math.abs(data[i] - data[i - 3]);
      if (detail > most) [most, best] = [detail, { left, top }];
    }
  }
  return best;
}

/** Every pixel becomes `zoom` x `zoom`. */
export function enlargePixels(image: Image, zoom: number): Image {
  const { width, height, channels } = image;
  const out = blankImage(width * zoom, height * zoom, channels);
  for (let y = 0; y < out.height; y++) {
    for (let x = 0; x < out.width; x++) {
      const from = (Math.floor(y / zoom) * width + Math.floor(x / zoom)) * channels;
      out.data.set(image.data.subarray(from, from + channels), (y * out.width + x) * channels);
    }
  }
  return out;
}
