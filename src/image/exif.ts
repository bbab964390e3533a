/** What the kit reads of a photograph's EXIF. */
import exifReader from 'exif-reader';
import sharp from 'sharp';
import { InputError } from '../util/errors';

/**
 * The focal length of a photograph in mm: as the 35 mm equivalent where the file states it (true focal lengths of a
 * phone's several cameras do not compare: their sensors differ), else as it is.
 * @throws InputError for a file that is no picture, has damaged EXIF or states no focal length
 */
export async function focalLength(
  path: string,
): Promise<{ readonly mm: number; readonly equivalent: boolean }> {
  let exif: Buffer | undefined;
  try {
    ({ exif } = await sharp(path).metadata());
  } catch (error) {
    throw new InputError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  const photo = exif === undefined ? undefined : tagsOf(exif, path).Photo;
  const equivalent = Number(photo?.FocalLengthIn35mmFilm);
  if (equivalent > 0) return { mm: equivalent, equivalent: true };
  const mm = Number(photo?.FocalLength);
  if (mm > 0) return { mm, equivalent: false };
  throw new InputError(`${path} states no focal length: expected EXIF with FocalLength (tag 37386)`);
}

function tagsOf(exif: Buffer, path: string): ReturnType<typeof exifReader> {
  try {
    return exifReader(exif);
  } catch (error) {
    throw new InputError(`cannot read the EXIF of ${path}: ${(error as Error).message}`, { cause: error });
  }
}
