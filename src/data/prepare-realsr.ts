/**
 * RealSR (Cai et al., ICCV 2019) as x4 pairs: the files `{camera}/{Train,Test}/4/{camera}_{n}_{HR,LR4}.png` sorted into
 * `{camera}-{train,test}/{HR,LR}/{camera}_{n}.png`, the layout of the official option files (equal names, HR exactly four
 * times the LR). In version 3 files are linked as they are. Versions 1 and 2 store the LR at HR size: refused, or shrunk
 * on request, which softens the degradation that is to be learned.
 */
import { linkSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readImage, readImageSize, writeImage } from '../image/file';
import { cropImage } from '../image/image';
import { imresize } from '../image/resize';
import { InputError } from '../util/errors';
import { silentProgress } from '../util/progress';
import { cannotWrite } from '../util/system-errors';
import { writeFileAtomic } from '../util/write-file';
import { matchTemplate } from './layout';
import { measureMisalignment } from './misalignment';
import { filesBelow, writeReport, type Prepared, type PreparedPair, type PrepareOptions } from './prepared';

const SCALE = 4;
const HR = '{camera}/{split}/4/{camera}_{n}_HR.png';
/** Pixels of the HR that may be cut off so that it is four times its LR. */
const MOST_CUT = 7;

export interface RealSrOptions extends PrepareOptions {
  /** Shrink an LR that is stored at HR size. Default: refuse it. */
  readonly shrink?: boolean;
}

/**
 * @param source the set's folder, with Canon and Nikon in it
 * @throws InputError for another layout, missing partners (the first ten are named), an unreadable picture, a wrong ratio
 */
export async function prepareRealSr(
  source: string,
  out: string,
  options: RealSrOptions = {},
): Promise<Prepared> {
  const { shrink = false, signal, log = () => undefined } = options;
  const paths = filesBelow(source);
  const found = matchTemplate(HR, paths);
  if (found.size === 0) {
    throw new InputError(
      `${source} is not laid out as RealSR: expected ${HR}, found ${paths.slice(0, 10).join(', ') || 'nothing'}`,
    );
  }
  const there = new Set(paths);
  const lrOf = (hr: string): string => hr.replace(/_HR\.png$/, '_LR4.png');
  const alone = [...found.keys()].filter((hr) => !there.has(lrOf(hr)));
  if (alone.length > 0) {
    const more = alone.length > 10 ? ` and ${alone.length - 10} more` : '';
    throw new InputError(`${source}: pictures without an LR4: ${alone.slice(0, 10).join(', ')}${more}`);
  }
  const filesOf = (hr: string): PairPaths => ({ lr: join(source, lrOf(hr)), hr: join(source, hr) });
  // Before anything is written: what is left after a refusal would pass for the whole set.
  const takings = new Map<string, Taking>();
  for (const hr of found.keys()) takings.set(hr, await takingOf(filesOf(hr), shrink));
  const progress = (options.progress ?? silentProgress)('prepare RealSR', found.size);
  const pairs: PreparedPair[] = [];
  let shrunk = 0;
  try {
    for (const [hr, { camera, split, n }] of found) {
      if (signal?.aborted) break;
      const name = `${camera}_${n}`;
      const folder = join(out, `${camera}-${split.toLowerCase()}`);
      const to = { lr: join(folder, 'LR', `${name}.png`), hr: join(folder, 'HR', `${name}.png`) };
      const taking = takings.get(hr)!;
      const { change } = taking;
      await takePair(filesOf(hr), to, taking);
      if (change === 'shrunk' && ++shrunk === 1) {
        log('LR stored at HR size: shrunk by 4 (antialiased bicubic), which softens the degradation');
      } else if (change === 'cut') log(`${name}: cut at the right and the bottom to HR = 4 x LR`);
      const [lr, large] = [await readImage(to.lr), await readImage(to.hr)];
      pairs.push({
        set: `${camera}-${split.toLowerCase()}`,
        name,
        change,
        after: await measureMisalignment(lr, large, name),
      });
      progress.update(pairs.length, name);
    }
  } finally {
    progress.stop();
  }
  return writeReport(out, { source, pairs, refused: [] });
}

interface PairPaths {
  readonly lr: string;
  readonly hr: string;
}

/** What becomes of a pair, and the size of its LR then. */
interface Taking {
  readonly change: 'linked' | 'cut' | 'shrunk';
  readonly width: number;
  readonly height: number;
}

/** @throws InputError for sizes of which no x4 pair can be made */
async function takingOf(from: PairPaths, shrink: boolean): Promise<Taking> {
  const [lr, hr] = [await readImageSize(from.lr), await readImageSize(from.hr)];
  if (hr.width === SCALE * lr.width && hr.height === SCALE * lr.height)
    return { change: 'linked', width: lr.width, height: lr.height };
  const width = Math.min(lr.width, Math.floor(hr.width / SCALE));
  const height = Math.min(lr.height, Math.floor(hr.height / SCALE));
  if (lr.width === hr.width && lr.height === hr.height) {
    if (shrink) return { change: 'shrunk', width, height };
    throw new InputError(
      `${from.lr} is ${lr.width}x${lr.height}, as large as its HR (RealSR versions 1 and 2): expected a quarter; ` +
        `take version 3, or have the LR shrunk (--shrink)`,
    );
  }
  const lost = Math.max(
    hr.width - SCALE * width,
    hr.height - SCALE * height,
    SCALE * (lr.width - width),
    SCALE * (lr.height - height),
  );
  if (lost <= MOST_CUT) return { change: 'cut', width, height };
  throw new InputError(
    `${from.hr} is ${hr.width}x${hr.height}: expected ${SCALE} times its LR, ${SCALE * lr.width}x${SCALE * lr.height}`,
  );
}

/** Puts a pair in its place. */
async function takePair(from: PairPaths, to: PairPaths, { change, width, height }: Taking): Promise<void> {
  if (change === 'linked') {
    link(from.lr, to.lr);
    link(from.hr, to.hr);
    return;
  }
  const lr = await readImage(from.lr);
  const small =
    change === 'cut'
      ? cropImage(lr, 0, 0, width, height)
      : imresize(cropImage(lr, 0, 0, SCALE * width, SCALE * height), 1 / SCALE, { rounding: 'final' });
  await writeImage(to.lr, small);
  await writeImage(to.hr, cropImage(await readImage(from.hr), 0, 0, SCALE * width, SCALE * height));
}

/** The same file under another name; a copy where it cannot be linked: on another file system. */
function link(from: string, to: string): void {
  try {
    mkdirSync(dirname(to), { recursive: true });
    rmSync(to, { force: true });
  } catch (error) {
    throw cannotWrite(to, error);
  }
  const file = realpathSync(from); // a link to a symbolic link would be one as well, and lead elsewhere
  try {
    linkSync(file, to);
  } catch {
    writeFileAtomic(to, readFileSync(file));
  }
}
