/** Pictures below a cell: one, crops side by side, and error maps on a common scale. */
import { encodeImage } from '../image/file';
import { commonScale, heat, heatScale } from '../image/heat';
import { blankImage, cropImage, type Image } from '../image/image';
import { busiestSquare, enlargePixels, inRows, montage, type Panel } from '../image/montage';
import { imresize } from '../image/resize';
import { pixelError, reduction } from '../metrics/alignment';
import { scores } from '../train/evaluate';
import { InputError } from '../util/errors';
import { DISPLAY, type Bundle, type Displayable } from './kernel';

/** A picture that shows itself as a PNG. */
export class Picture implements Displayable {
  constructor(
    /** RGB in [0,1]. */
    readonly image: Image,
    readonly title = 'picture',
  ) {}

  async [DISPLAY](): Promise<Bundle> {
    const { width, height } = this.image;
    const png = (await encodeImage(this.image)).toString('base64');
    return { 'text/plain': `${this.title}, ${width}x${height}`, 'image/png': png };
  }
}

export interface CompareOptions {
  /** Every pixel of the crops becomes zoom x zoom. Default 3. */
  readonly zoom?: number;
  /** Side of the crop in pixels of the largest picture. Default 64. */
  readonly side?: number;
  /** Its top-left corner. Default: where the last picture has most detail. */
  readonly at?: { readonly left: number; readonly top: number };
  /** Pictures in a row, at most. Default 6. */
  readonly columns?: number;
}

export interface ErrorMapOptions extends CompareOptions {
  /** [h, w, 1] of 0 and 1: which pixels count (a warped LR has its `valid`). Default: all. */
  readonly valid?: Image;
  /** The error, grey levels of 255, that is white. Default: what 0.5 % of all maps' pixels exceed. */
  readonly most?: number;
}

type Pictures = Readonly<Record<string, Image>>;

/**
 * The same square of pictures side by side, enlarged without smoothing, after an overview that shows where it lies. Smaller
 * pictures (an LR) are enlarged to the largest one's size. Where the last picture is named "HR", the others of its size have
 * their PSNR (luma, 4 pixels cropped) below.
 * @param images RGB in [0,1] by name, in their order; sizes that divide the largest
 */
export async function compare(images: Pictures, options: CompareOptions = {}): Promise<Picture> {
  const entries = named(images);
  const { zoom = 3, side, at, last, columns } = place(entries, options);
  const reference = entries.at(-1)![0] === 'HR' ? last : undefined;
  const panels: Panel[] = [{ image: overview(last, at, side), caption: 'where' }];
  for (const [name, image] of entries) {
    const scored = reference !== undefined && image !== reference && image.width === reference.width;
    const caption = scored ? `${name} ${scores(image, reference, 4).psnrY.toFixed(2)} dB` : name;
    panels.push({ image: cropImage(enlargedTo(image, last, name), at.left, at.top, side, side), caption });
  }
  return new Picture(
    await montage(inRows(panels, columns), zoom),
    `${entries.map(([name]) => name).join(', ')}`,
  );
}

/**
 * What pictures are off by, pixel by pixel, as heat on a common scale (the paper's Figure 5): the mean over the channels of
 * the absolute difference, black where a pixel does not count. Below each its mean over those that do in grey levels of 255,
 * and how that differs from the first one's.
 * @param images RGB in [0,1] by name, of the reference's size
 * @param options without `side` the whole pictures are shown
 */
export async function errorMaps(
  images: Pictures,
  reference: Image,
  options: ErrorMapOptions = {},
): Promise<Picture> {
  const entries = named(images);
  const errors = entries.map(([, image]) => pixelError(image, reference, options.valid));
  const most = options.most === undefined ? commonScale(errors.map(({ map }) => map)) : options.most / 255;
  const whole = options.side === undefined && options.at === undefined;
  const { side, at } = place([['reference', reference]], options);
  const cut = (image: Image): Image => (whole ? image : cropImage(image, at.left, at.top, side, side));
  const panels = errors.map(({ map, absolute }, i): Panel => {
    const change = -reduction(absolute, errors[0].absolute);
    const words = i === 0 ? '' : ` (${change > 0 ? '+' : ''}${change.toFixed(0)} %)`;
    return { image: cut(heat(map, most)), caption: `${entries[i][0]} ${absolute.toFixed(2)}${words}` };
  });
  const shape = cut(reference);
  panels.push({
    image: heatScale(shape.width, shape.height),
    caption: `0 to ${(255 * most).toFixed(0)} of 255`,
  });
  const zoom = options.zoom ?? (whole ? 1 : 3);
  return new Picture(await montage(inRows(panels, options.columns ?? 6), zoom), 'error maps');
}

function named(images: Pictures): [string, Image][] {
  const entries = Object.entries(images);
  if (entries.length === 0) throw new InputError('nothing to compare: expected at least one picture');
  return entries;
}

function place(
  entries: readonly [string, Image][],
  { zoom, side: wanted = 64, at, columns = 6 }: CompareOptions,
): {
  readonly zoom?: number;
  readonly side: number;
  readonly at: { readonly left: number; readonly top: number };
  readonly last: Image;
  readonly columns: number;
} {
  const last = entries.reduce((most, [, image]) => (image.width >= most.width ? image : most), entries[0][1]);
  const side = Math.min(wanted, last.width, last.height);
  return { zoom, side, at: at ?? busiestSquare(last, side), last, columns };
}

function enlargedTo(image: Image, to: Image, name: string): Image {
  const zoom = to.width / image.width;
  if (!Number.isInteger(zoom) || image.height * zoom !== to.height) {
    throw new InputError(
      `'${name}' is ${image.width}x${image.height}: expected a size that divides ${to.width}x${to.height}`,
    );
  }
  return zoom === 1 ? image : enlargePixels(image, zoom);
}

const RED = [1, 0, 0];

/** The whole picture within side x side, the square framed in red. */
function overview(image: Image, at: { readonly left: number; readonly top: number }, side: number): Image {
  const shrink = Math.min(side / image.width, side / image.height);
  const small = shrink < 1 ? imresize(image, shrink) : image;
  const out = blankImage(side, side);
  out.data.fill(1);
  const width = Math.min(side, small.width);
  for (let y = 0; y < Math.min(side, small.height); y++) {
    const line = small.data.subarray(y * small.width * 3, (y * small.width + width) * 3);
    out.data.set(line, y * side * 3);
  }
  const scaled = (v: number): number => Math.min(side - 1, Math.floor(v * Math.min(1, shrink)));
  const [left, top] = [scaled(at.left), scaled(at.top)];
  const [right, bottom] = [scaled(at.left + side - 1), scaled(at.top + side - 1)];
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      if (y === top || y === bottom || x === left || x === right) out.data.set(RED, (y * side + x) * 3);
    }
  }
  return out;
}
