/** What is shown of a grid: its table, and the pictures that go with it. */
import { dirname, join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { startEngine } from '../engine/engines';
import { alignmentRecords, alignmentTruth, type AlignmentTruth } from '../experiments/alignment-truth';
import { cropGrid } from '../experiments/crops';
import { runFolder } from '../experiments/experiment';
import type { OpenedRequest } from '../experiments/request';
import { hasTrained } from '../experiments/runner';
import type { Table } from '../experiments/table';
import { tableCells } from '../experiments/table-text';
import { writeImage } from '../image/file';
import { alignmentPictures } from '../mimic/alignment-overview';
import { InputError } from '../util/errors';
import { writeFileAtomic } from '../util/write-file';
import { note, print, progress, table } from './output';

export function printTable({ grid, folders }: OpenedRequest, filled: Table): void {
  const { header, rows } = tableCells(filled);
  print(table(header, rows));
  note(
    `tables: ${join(dirname(folders.results), grid.id)}.{md,csv,tex,html}; all scores: ${folders.results}`,
  );
}

/** Figure 5, or crops. */
export async function writePictures(opened: OpenedRequest): Promise<void> {
  if (opened.request.what === 'fig5') await writeFigure5(opened);
  else await writeCrops(opened);
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
          asked.profile.benchmarks[0],
          ...asked.columns.map((c) => c.benchmark).filter((b) => b.lr !== 'bicubic'),
        ].slice(0, 2);
  for (const benchmark of pictures) {
    const name = [what, benchmark.name.replace(/\W/g, '-'), benchmark.lr].join('-');
    const path = join(dirname(folders.results), `${name}.png`);
    await writeImage(path, await cropGrid(asked, benchmark, folders));
    note(path);
  }
}

/** Figure 5: what the modules of the grid's mimic runs do to shots of their camera, with error maps of the first. */
async function writeFigure5({ request, grid: asked, plan, folders }: OpenedRequest): Promise<void> {
  await startEngine(request.engine);
  const folder = dirname(folders.results);
  const truths: { method: string; truth: AlignmentTruth }[] = [];
  for (const { method, experiment } of plan) {
    if (experiment?.config.process.name !== 'mimic' || experiment.config.data.kind === 'pairs') continue;
    const truth = await alignmentTruth(runFolder(folders.runs, experiment), {
      camera: experiment.config.data.preset,
      pictures: asked.profile.cameraBenchmarks[0] ?? 'scenes',
      progress,
    });
    const { overview } = await alignmentPictures(truth.example);
    await writeImage(join(folder, `fig5-${method.toLowerCase().replace(/\W+/g, '-')}.png`), overview);
    truths.push({ method, truth });
  }
  if (truths.length === 0) {
    throw new InputError(
      'fig5 needs the simulated camera, which knows the truth: choose another profile, or mimicsr align',
    );
  }
  const records = alignmentRecords(truths);
  writeFileAtomic(join(folder, 'fig5.csv'), stringify(records, { header: true }));
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
