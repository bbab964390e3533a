import { open, readFile } from 'node:fs/promises';
import { accessSync, constants, mkdirSync, readdirSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import sharp from 'sharp';
import type { Metadata } from 'sharp';
import type { Image } from './image';
import { fromIntegers, toUint16, toUint8 } from './quantise';
import { InputError } from '../util/errors';
import { cannotWrite, systemReason } from '../util/system-errors';
import { writeFileAtomic } from '../util/write-file';

/**
 * Pictures from and to files: PNG, JPEG, WebP and TIFF through sharp (libvips).
 *
 * The stored numbers are what counts, as for OpenCV in BasicSR and Pillow in pyiqa: an embedded colour profile or gamma
 * is ignored, and an alpha channel is cut off without compositing (the colour stored under a transparent pixel is the
 * pixel). Grey becomes three equal channels, a palette its colours; of several pages the first is read. The EXIF
 * orientation is applied.
 *
 * Left out on purpose: CMYK, CIELAB and floating-point files, whose meaning as RGB in [0,1] would be a guess.
 */

export type ImageFormat = 'png' | 'jpeg' | 'webp' | 'tiff';

const FORMAT_OF_ENDING: Readonly<Record<string, ImageFormat>> = {
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.webp': 'webp',
  '.tif': 'tiff',
  '.tiff': 'tiff',
};

const ENDINGS = Object.keys(FORMAT_OF_ENDING).join(', ');

export interface EncodeOptions {
  /** Bits a channel: 8 (default), or 16 for PNG and TIFF. */
  readonly bits?: 8 | 16;
  /** 1 to 100. JPEG: default 95. WebP: default lossless. PNG and TIFF are always lossless. */
  readonly quality?: number;
}

/**
 * The picture in the file `path` as RGB: value/255 (or value/65535 for 16-bit files) in float32.
 * @throws InputError if the file is missing, is not a picture of a known format, or is cut short or damaged so that
 * the decoder notices.
 */
export async function readImage(path: string): Promise<Image> {
  const file = await readFile(path).catch((error: unknown) => {
    throw cannotRead(path, error);
  });
  const metadata = await readHeader(path, file);
  const [wide, grey] = [metadata.depth === 'ushort', metadata.channels < 3];
  try {
    const { data, info } = await sharp(file, { failOn: 'warning', autoOrient: true, ignoreIcc: true })
      .toColourspace(grey ? (wide ? 'grey16' : 'b-w') : wide ? 'rgb16' : 'srgb')
      .raw({ depth: wide ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    const stored = wide ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2) : data;
    const rgb = channels === 3 ? stored : threeChannels(stored, channels);
    return fromIntegers(rgb, width, height, 3);
  } catch (error) {
    throw cannotRead(path, error);
  }
}

/** Width and height of the picture in a file as `readImage` would give it, from the file's header alone. */
export async function readImageSize(path: string): Promise<{ width: number; height: number }> {
  const { width, height } = (await headerOf(path)).autoOrient;
  return { width, height };
}

/** What `readImage` does not tell of a file: the bits a channel, and whether it has an alpha channel. From the header alone. */
export async function readImageDepth(path: string): Promise<{ bits: 8 | 16; alpha: boolean }> {
  const { depth, hasAlpha } = await headerOf(path);
  return { bits: depth === 'ushort' ? 16 : 8, alpha: hasAlpha };
}

/** The header of the picture in a file, from the file's start where that holds it. */
async function headerOf(path: string): Promise<Metadata> {
  let start: Buffer;
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(65536), 0, 65536, 0);
      start = buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw cannotRead(path, error);
  }
  // Some headers end far into the file (TIFF keeps its directory anywhere, cameras embed previews): then all of it.
  return readHeader(path, start).catch(async () => readHeader(path, await readFile(path)));
}

/**
 * Paths of the pictures directly in `folder` (by file ending, hidden files left out), in natural order: img_2 before
 * img_10.
 * @throws InputError if there is no such folder or no picture in it.
 */
export function listImages(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw cannotRead(folder, error);
  }
  const natural = new Intl.Collator('en', { numeric: true });
  const paths = names
    .filter((name) => !name.startsWith('.') && extname(name).toLowerCase() in FORMAT_OF_ENDING)
    .sort((a, b) => natural.compare(a, b) || (a < b ? -1 : 1))
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  if (paths.length === 0) throw new InputError(`${folder} has no image: expected files ending in ${ENDINGS}`);
  return paths;
}

/**
 * The picture (1 or 3 channels in [0,1], clamped, rounded half to even) as a file of `format` in memory.
 * @throws InputError on a value that is not finite, or on options that the format cannot hold.
 */
export async function encodeImage(
  image: Image,
  format: ImageFormat = 'png',
  options: EncodeOptions = {},
): Promise<Buffer> {
  const { width, height, channels } = image;
  const { bits = 8, quality } = options;
  if (channels !== 1 && channels !== 3) {
    throw new InputError(`an image file takes 1 or 3 channels, found ${channels}`);
  }
  if (bits === 16 && format !== 'png' && format !== 'tiff') {
    throw new InputError(`16 bits a channel need PNG or TIFF, found ${format}`);
  }
  if (quality !== undefined && !(Number.isInteger(quality) && quality >= 1 && quality <= 100)) {
    throw new InputError(`quality must be a whole number from 1 to 100, found ${quality}`);
  }
  const wide = bits === 16;
  const pipeline = sharp(wide ? toUint16(image) : toUint8(image), { raw: { width, height, channels } });
  pipeline.toColourspace(channels === 1 ? (wide ? 'grey16' : 'b-w') : wide ? 'rgb16' : 'srgb');
  switch (format) {
    case 'png':
      return pipeline.png({ adaptiveFiltering: true }).toBuffer();
    case 'jpeg':
      return pipeline.jpeg({ quality: quality ?? 95, chromaSubsampling: '4:4:4' }).toBuffer();
    case 'webp':
      return pipeline.webp(quality === undefined ? { lossless: true } : { quality }).toBuffer();
    case 'tiff':
      return pipeline.tiff({ compression: 'deflate', predictor: 'horizontal' }).toBuffer();
  }
}

/**
 * Writes the picture in the format that the ending of `path` names, whole or not at all; see `encodeImage`.
 * @throws InputError also on an unknown ending and where the file cannot be written.
 */
export async function writeImage(path: string, image: Image, options: EncodeOptions = {}): Promise<void> {
  const ending = extname(path).toLowerCase();
  const format = FORMAT_OF_ENDING[ending] as ImageFormat | undefined;
  if (format === undefined) {
    throw new InputError(`cannot write ${path}: expected a name ending in ${ENDINGS}, found '${ending}'`);
  }
  const file = await encodeImage(image, format, options).catch((error: unknown) => {
    throw cannotWrite(path, error);
  });
  writeFileAtomic(path, file);
}

/**
 * Makes the folder, before the work on the pictures that go there.
 * @throws InputError where it cannot be made, or nothing can be written there.
 */
export function makeImageFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw cannotWrite(folder, error);
  }
}

/** The file's header, once it is one that `readImage` takes. */
async function readHeader(path: string, file: Buffer): Promise<Metadata> {
  let metadata: Metadata;
  try {
    metadata = await sharp(file).metadata();
  } catch (error) {
    throw cannotRead(path, error);
  }
  const { format, space, depth } = metadata;
  if (!Object.values(FORMAT_OF_ENDING).includes(format as ImageFormat)) {
    throw new InputError(`cannot read ${path}: expected PNG, JPEG, WebP or TIFF, found ${format}`);
  }
  if (!['srgb', 'rgb16', 'b-w', 'grey16'].includes(space) || !['uchar', 'ushort'].includes(depth)) {
    throw new InputError(
      `cannot read ${path}: expected RGB or grey of 8 or 16 bits, found ${space} of type ${depth}`,
    );
  }
  return metadata;
}

/** 1 channel (grey) spread to three equal ones, or the first 3 of 4 (alpha off). */
function threeChannels(stored: Uint8Array | Uint16Array, channels: number): Uint8Array | Uint16Array {
  const length = (stored.length / channels) * 3;
  const rgb = stored instanceof Uint16Array ? new Uint16Array(length) : new Uint8Array(length);
  const step = channels >= 3 ? 1 : 0;
  for (let from = 0, to = 0; to < length; from += channels, to += 3) {
    rgb[to] = stored[from];
    rgb[to + 1] = stored[from + step];
    rgb[to + 2] = stored[from + 2 * step];
  }
  return rgb;
}

function cannotRead(path: string, error: unknown): InputError {
  return new InputError(`cannot read ${path}: ${reason(error)}`, { cause: error });
}

/** A system or decoder error in the user's words, on one line. */
function reason(error: unknown): string {
  if (error instanceof Error && /unsupported image format|is empty/i.test(error.message))
    return 'not a whole PNG, JPEG, WebP or TIFF image';
  return systemReason(error);
}
