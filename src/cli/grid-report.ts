/** What is shown of a grid: its table, and the pictures that go with it. */
import { dirname, join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { startEngine } from '../engine/engines';
import { alignmentRecords, alignmentTruth, type AlignmentTruth } from '../experiments/alignment-truth';
import { cropGrid } from '../experiments/crops';
import { runFolder } from '../experiments/experiment';
import { sweepLines, type Grid } from '../experiments/grid';
import { firstSeeds, runLabels } from '../experiments/plan';
import type { OpenedRequest } from '../experiments/request';
import type { Folders } from '../experiments/known-results';
import { hasTrained } from '../experiments/runner';
import type { Table } from '../experiments/table';
import { tableCells } from '../experiments/table-text';
import { writeImage } from '../image/file';
import { alignmentPictures, LR_CAPTIONS } from '../mimic/alignment-overview';
import { lineChart, sweepCurve, tableBars } from '../notebook/charts';
import type { Figure } from '../notebook/figure';
import { writeFileAtomic } from '../util/write-file';
import { note, print, progress, table } from './output';

export function printTable({ grid, folders }: OpenedRequest, filled: Table): void {
  const { header, rows, notes } = tableCells(filled);
  print(table(header, rows));
  for (const text of notes) if (!grid.notes.includes(text)) note(text);
  note(
    `tables: ${join(dirname(folders.results), grid.id)}.{md,csv,tex,html}; all scores: ${folders.results}`,
  );
}

/** What is to be seen of a grid whose runs are finished: Figure 5, or its chart and the crops of its networks. */
export async function writePictures(opened: OpenedRequest, filled: Table): Promise<void> {
  if (opened.request.what === 'fig5') {
    await writeFigure5(opened);
    return;
  }
  await writeChart(opened, filled);
  if (opened.grid.id === 'misalignment') await writeGeometry(opened);
  await writeCrops(opened);
}

/** Sweeps as curves, ablations and importance as bars. */
async function writeChart({ grid, folders }: OpenedRequest, filled: Table): Promise<void> {
  const bars = grid.id === 'ablations' || grid.id === 'importance';
  if (filled.sweep === undefined && !bars) return;
  await writeFigure(folders, grid.id, bars ? tableBars(filled) : sweepCurve(filled));
}

async function writeFigure({ results }: Folders, name: string, figure: Figure): Promise<void> {
  const path = join(dirname(results), `${name}.png`);
  writeFileAtomic(path, await figure.png());
  note(path);
}

function writeRecords({ results }: Folders, name: string, records: readonly object[]): void {
  writeFileAtomic(join(dirname(results), `${name}.csv`), stringify([...records], { header: true }));
}

/** The pictures that go with a table: crops of its benchmarks, where the runs' weights are here. */
async function writeCrops({ request, grid: asked, plan, folders }: OpenedRequest): Promise<void> {
  if (!hasTrained(plan, folders)) return;
  await startEngine(request.engine);
  const { what } = request;
  const pictures =
    asked.id === 'table3'
      ? [asked.profile.trainingSets[what === 'fig7' ? 'RealSR' : 'SR-RAW'].pictures]
      : [
          asked.columns.find(({ benchmark }) => benchmark.lr === 'bicubic')?.benchmark,
          asked.columns.find(({ benchmark }) => benchmark.lr !== 'bicubic')?.benchmark,
        ].filter((benchmark) => benchmark !== undefined);
  for (const benchmark of pictures) {
    const name = [what, benchmark.name.replace(/\W/g, '-'), benchmark.lr].join('-');
    const path = join(dirname(folders.results), `${name}.png`);
    await writeImage(path, await cropGrid(asked, benchmark, folders));
    note(path);
  }
}

/** What a module does to shots of the camera that it was trained with. */
interface MeasuredModule {
  /** With its network, where the grid has several. */
  readonly method: string;
  readonly truth: AlignmentTruth;
}

/** The modules of the grid's mimic runs that are trained here, of each the first seed, on the camera, which knows the truth. */
async function measureModules({ request, grid, plan, folders }: OpenedRequest): Promise<MeasuredModule[]> {
  await startEngine(request.engine);
  const modules = firstSeeds(plan).filter(({ experiment }) => experiment?.config.process.name === 'mimic');
  const labelOf = runLabels(modules);
  const measured: MeasuredModule[] = [];
  for (const run of modules) {
    if (!hasTrained([run], folders)) continue;
    const experiment = run.experiment!;
    const { data } = experiment.config;
    if (data.kind === 'pairs') continue;
    const truth = await alignmentTruth(runFolder(folders.runs, experiment), {
      camera: data.preset,
      ...(data.misalignment === undefined ? {} : { misalignment: data.misalignment }),
      pictures: grid.profile.cameraBenchmarks[0] ?? 'scenes',
      progress,
    });
    measured.push({ method: labelOf(run), truth });
  }
  return measured;
}

/** Figure 5: in numbers, with error maps of the first shot. */
async function writeFigure5(opened: OpenedRequest): Promise<void> {
  const folder = dirname(opened.folders.results);
  const measured = await measureModules(opened);
  if (measured.length === 0) return; // their runs failed, which the caller says
  for (const { method, truth } of measured) {
    const { overview } = await alignmentPictures(truth.example.pair, truth.example.truth);
    const path = join(folder, `fig5-${method.toLowerCase().replace(/\W+/g, '-')}.png`);
    await writeImage(path, overview);
    note(path);
  }
  const records = alignmentRecords(measured);
  writeRecords(opened.folders, 'fig5', records);
  print(
    table(
      Object.keys(records[0]),
      records.map((record) => Object.values(record).map((value) => String(value ?? ''))),
    ),
  );
  print(
    "reduction: % by which the squared error is below the LR's. The paper, on its own pictures: 69.36 with the mimicking module, " +
      '9.77 with optical flow',
  );
}

/** By the size of the misalignment: how far the LR and what is made of it are off. */
async function writeGeometry(opened: OpenedRequest): Promise<void> {
  const { folders, grid } = opened;
  const measured = await measureModules(opened);
  if (measured.length === 0) return;
  writeRecords(folders, 'misalignment-geometry', alignmentRecords(measured));
  await writeFigure(folders, 'misalignment-geometry', geometryCurve(grid, measured));
}

function geometryCurve({ rows, sweep }: Grid, measured: readonly MeasuredModule[]): Figure {
  const truthOf = ({ method }: Grid['rows'][number]): AlignmentTruth | undefined =>
    measured.find((m) => m.method === method)?.truth;
  const series = sweepLines(sweep!, rows).filter(({ points }) => points.some(({ row }) => truthOf(row)));
  const lines = new Map<string, Map<number, number>>();
  for (const { label, points } of series) {
    for (const { value, row } of points) {
      for (const { picture, misalignment } of truthOf(row)?.measures ?? []) {
        // The LR is the same for every module.
        const plain = picture === 'lr' || series.length === 1;
        const name = plain ? LR_CAPTIONS[picture] : `${LR_CAPTIONS[picture]}, ${label}`;
        const line = lines.get(name) ?? new Map<number, number>();
        if (!line.has(Number(value))) line.set(Number(value), misalignment);
        lines.set(name, line);
      }
    }
  }
  return lineChart(
    [...lines].map(([name, line]) => ({ name, x: [...line.keys()], y: [...line.values()] })),
    {
      title: 'Where the content is, by the size of the misalignment',
      x: 'misalignment, LR pixels',
      y: 'off by, LR pixels',
    },
  );
}
