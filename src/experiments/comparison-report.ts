/** What a comparison found: all scores as CSV with their provenance, a Markdown table a camera, and crops to look at. */
import { existsSync } from 'node:fs';
import { stringify } from 'csv-stringify/sync';
import { imageOf } from '../data/pairs';
import type { CameraPresetName } from '../data/camera-pairs';
import { cropImage, type Image } from '../image/image';
import { busiestSquare, enlargePixels, montage, type Panel } from '../image/montage';
import { createNetwork } from '../networks/networks';
import { bicubicUpscaler, MEASURES, networkUpscaler, scores, type Upscaler } from '../train/evaluate';
import { runFiles } from '../util/run-files';
import { readWeights } from '../weights/load';
import {
  benchmarkPairs,
  cellFolder,
  cellName,
  cellRecord,
  cellResult,
  comparisonCells,
  type BenchmarkScores,
  type Cell,
  type Comparison,
} from './comparison';
import { interval95, intervalText, type Interval } from './interval';

/** Every score of every finished cell, one a row. */
export function comparisonCsv(comparison: Comparison): string {
  const rows = comparisonCells(comparison).flatMap((cell) => {
    const result = cellResult(comparison, cell);
    if (result === undefined) return [];
    const record = cellRecord(comparison, cell) as
      { engine: { name: string; detail: string }; provenance: { pairsSha256: string } } | undefined;
    const run = cell.method === 'bicubic' ? undefined : cell;
    return result.scores.map((row) => ({
      run: cellName(cell),
      method: cell.method,
      camera: run?.camera,
      seed: run?.seed,
      network: run && comparison.network,
      photos: run && comparison.photos,
      iterations: run && comparison.iterations,
      batch: run && comparison.batch,
      patch: run && comparison.patch,
      flow: run && run.method !== 'l1' ? comparison.flow : undefined,
      benchmark: row.benchmark,
      lr: row.lr,
      crop: 4,
      ...Object.fromEntries(MEASURES.map((m) => [m, row[m].toFixed(m.startsWith('psnr') ? 4 : 6)])),
      secondsPerStep: result.secondsPerStep?.toFixed(3),
      engine: record && `${record.engine.name}: ${record.engine.detail}`,
      pairsSha256: record?.provenance.pairsSha256,
      commit: result.versions.commit,
      finished: result.finished,
    }));
  });
  return stringify(rows, { header: true });
}

/** A table a camera, rows of methods, columns of benchmarks with both LRs: Y-PSNR / Y-SSIM, mean and interval over seeds. */
export function comparisonMarkdown(comparison: Comparison): string {
  const { network, photos, iterations, batch, patch, flow, seeds, cameras } = comparison;
  const head = [
    `# ${network}: L1 against Ours`,
    '',
    `Trained on ${photos} through simulated cameras, ${iterations} iterations, batch ${batch}, LR patch ${patch}, ` +
      `seeds ${seeds.join(', ')}; flow of Ours: ${flow}. Y-PSNR in dB / Y-SSIM, crop 4, mean over the pictures; ` +
      `± half the 95 % interval of the mean over seeds (Student's t).`,
    '',
    `"bicubic LR": the benchmark's own. "camera LR": its HR pictures photographed by the camera of the training, without ` +
      `misalignment. Gap closed: (method - L1) / (L1 on aligned pairs - L1) by Y-PSNR.`,
  ];
  return [...head, ...cameras.flatMap((camera) => ['', ...cameraTable(comparison, camera)]), ''].join('\n');
}

const LABELS = {
  bicubic: 'bicubic',
  l1: 'L1',
  'mimic-released': 'Ours, released',
  'mimic-corrected': 'Ours, corrected',
} as const;

/** The methods of a camera's table; last, where it is another camera's, what L1 reaches on aligned pairs. */
function rowsOf(
  { methods, cameras }: Comparison,
  camera: CameraPresetName,
): { label: string; is: Matcher }[] {
  const rows = (['bicubic', ...methods] as const).map((method) => ({
    label: LABELS[method],
    is: (cell: Cell): boolean =>
      cell.method === method && (cell.method === 'bicubic' || cell.camera === camera),
  }));
  if (camera === 'aligned' || !cameras.includes('aligned')) return rows;
  return [...rows, { label: 'L1 on aligned pairs', is: isUpperBound }];
}

type Matcher = (cell: Cell) => boolean;

function isUpperBound(cell: Cell): boolean {
  return cell.method === 'l1' && cell.camera === 'aligned';
}

function cameraTable(comparison: Comparison, camera: CameraPresetName): string[] {
  const columns = comparison.benchmarks.flatMap((benchmark) =>
    (['bicubic', camera] as const).map((lr) => ({ benchmark, lr })),
  );
  const title = (c: (typeof columns)[number]): string =>
    `${c.benchmark}, ${c.lr === 'bicubic' ? 'bicubic' : 'camera'} LR`;
  const lines = rowsOf(comparison, camera).map(({ label, is }) => {
    const cells = columns.map(({ benchmark, lr }) => {
      const found = (measure: 'psnrY' | 'ssimY', which = is): Interval | undefined =>
        overSeeds(comparison, which, benchmark, lr, measure);
      const psnr = found('psnrY');
      const ssim = found('ssimY');
      if (psnr === undefined || ssim === undefined) return '';
      const text = `${intervalText(psnr, 2)} / ${intervalText(ssim, 4)}`;
      const low = found('psnrY', (cell) => cell.method === 'l1' && cell.camera === camera);
      const high = found('psnrY', isUpperBound);
      const shares = label.startsWith('Ours') && camera !== 'aligned' && low && high;
      return shares ? `${text}; ${gapText(psnr.mean, low.mean, high.mean)}` : text;
    });
    return `| ${label} | ${cells.join(' | ')} |`;
  });
  return [
    `## ${camera}`,
    '',
    `| trained with | ${columns.map(title).join(' | ')} |`,
    `| --- | ${columns.map(() => '---').join(' | ')} |`,
    ...lines,
  ];
}

function gapText(value: number, low: number, high: number): string {
  return high > low ? `${((100 * (value - low)) / (high - low)).toFixed(0)} % of the gap` : 'no gap';
}

function overSeeds(
  comparison: Comparison,
  is: Matcher,
  benchmark: string,
  lr: BenchmarkScores['lr'],
  measure: 'psnrY' | 'ssimY',
): Interval | undefined {
  const values = comparisonCells(comparison)
    .filter(is)
    .flatMap((cell) => cellResult(comparison, cell)?.scores ?? [])
    .filter((row) => row.benchmark === benchmark && row.lr === lr)
    .map((row) => row[measure]);
  return values.length === 0 ? undefined : interval95(values);
}

const CROP_SIDE = 128;
/** Which pictures of a benchmark (the third of Set5 is the butterfly). */
const CROP_PICTURES = [0, 2];

/**
 * Pictures of every benchmark, each at its busiest place: LR, bicubic, every method of the camera's table with the
 * first seed, HR. Methods without a finished run are left out. An engine must be running.
 */
export async function comparisonCrops(
  comparison: Comparison,
  camera: CameraPresetName,
  lr: BenchmarkScores['lr'],
): Promise<Image> {
  const upscalers: [string, Upscaler][] = [['bicubic', bicubicUpscaler]];
  const networks: { dispose(): void }[] = [];
  for (const { label, is } of rowsOf(comparison, camera).slice(1)) {
    const cell = comparisonCells(comparison).find(is)!;
    const { weights } = runFiles(cellFolder(comparison, cell));
    if (cellResult(comparison, cell) === undefined || !existsSync(weights)) continue;
    const network = createNetwork(comparison.network).loadStateDict(readWeights(weights), weights);
    networks.push(network);
    upscalers.push([label, networkUpscaler(network)]);
  }
  try {
    const rows: Panel[][] = [];
    for (const benchmark of comparison.benchmarks) {
      const pairs = benchmarkPairs(benchmark, lr);
      for (const index of CROP_PICTURES.filter((i) => i < pairs.size)) {
        const pair = await pairs.load(index);
        const [small, hr] = [imageOf(pair.lr), imageOf(pair.hr)];
        const { left, top } = busiestSquare(hr, CROP_SIDE);
        const crop = (image: Image): Image => cropImage(image, left, top, CROP_SIDE, CROP_SIDE);
        const panels: Panel[] = [{ image: crop(enlargePixels(small, 4)), caption: `LR, ${pair.name}` }];
        for (const [label, upscaler] of upscalers) {
          const sr = await upscaler(small, pair.name);
          panels.push({ image: crop(sr), caption: `${label} ${scores(sr, hr, 4).psnrY.toFixed(2)} dB` });
        }
        rows.push([...panels, { image: crop(hr), caption: 'HR' }]);
      }
    }
    return await montage(rows, 2);
  } finally {
    for (const network of networks) network.dispose();
  }
}
