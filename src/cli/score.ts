import { stringify } from 'csv-stringify/sync';
import { Command, Option } from 'commander';
import type { Program } from '../metrics/grey-plane';
import { FULL_REFERENCE, METRIC_NAMES, type MetricName } from '../metrics/metrics';
import { describe, score, type ScoreTable } from '../metrics/score';
import { InputError, knownName } from '../util/errors';
import { versions } from '../util/versions';
import { count } from './arguments';
import { print, printJson, progress, table } from './output';

interface Flags {
  readonly metric: string[];
  readonly reference?: string;
  readonly y: boolean;
  readonly crop: number;
  readonly program: Program;
  readonly niqeModel?: string;
  readonly nrqmModel?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
}

/** `mimicsr score`: metrics of pictures, with and without references. */
export function scoreCommand(): Command {
  return new Command('score')
    .description('Score pictures, on all cores. A picture that cannot be scored does not stop the others.')
    .argument('<path...>', 'image files, folders, or quoted patterns like "out/**/*.png"')
    .requiredOption(
      '--metric <names>',
      `comma-separated: ${METRIC_NAMES.join(', ')}`,
      (text: string, before?: string[]) => [...(before ?? []), ...text.split(',').map((name) => name.trim())],
    )
    .option('--reference <folder>', 'references for psnr, ssim and ciede2000, paired with the images by name')
    .option('--y', "psnr and ssim on luma, as the paper's tables (default)", true)
    .option('--no-y', 'psnr and ssim on RGB')
    .option('--crop <n>', 'pixels left out on each side for psnr and ssim', count('--crop', 0), 4)
    .addOption(
      new Option('--program <name>', 'whose niqe, nrqm and pi to repeat')
        .choices(['pyiqa', 'basicsr', 'matlab'] satisfies Program[])
        .default('pyiqa'),
    )
    .option('--niqe-model <file>', "another pristine model than the data root's")
    .option('--nrqm-model <file>', "another NRQM model than the data root's")
    .addOption(new Option('--json', 'machine-readable output').conflicts('csv'))
    .option('--csv', 'comma-separated output')
    .addHelpText(
      'after',
      '\nExample:\n  mimicsr score upscaled --metric niqe,pi\n' +
        '  mimicsr score upscaled --metric psnr,ssim --reference data/Set5/HR --y --crop 4 --csv > scores.csv',
    )
    .action(async (paths: string[], flags: Flags) => {
      const metrics = [...new Set(flags.metric)].map((name) => knownName('metric', name, METRIC_NAMES));
      const { reference, y, crop, program, niqeModel: niqe, nrqmModel: nrqm } = flags;
      requireUse('--reference', reference, metrics, FULL_REFERENCE);
      requireUse('--niqe-model', niqe, metrics, ['niqe', 'pi']);
      requireUse('--nrqm-model', nrqm, metrics, ['nrqm', 'pi']);
      const scored = await score(paths, metrics, {
        protocol: { crop, y },
        program,
        models: { ...(niqe === undefined ? {} : { niqe }), ...(nrqm === undefined ? {} : { nrqm }) },
        ...(reference === undefined ? {} : { reference }),
        progress,
      });
      if (flags.json) printJson({ ...scored, versions: versions() });
      else if (flags.csv) process.stdout.write(toCsv(scored, metrics));
      else print(toTable(scored, metrics));
      if (scored.failed.length > 0) throw new InputError(scored.failed.map(describe).join('\nmimicsr: '));
    });
}

/** @throws InputError for a flag that none of the metrics has use for */
function requireUse(
  flag: string,
  value: string | undefined,
  metrics: readonly MetricName[],
  users: readonly MetricName[],
): void {
  if (value !== undefined && !metrics.some((metric) => users.includes(metric)))
    throw new InputError(`${flag} is for ${users.join(', ')}: the metrics are ${metrics.join(', ')}`);
}

function toCsv({ images, mean }: ScoreTable<MetricName>, metrics: readonly MetricName[]): string {
  return stringify([...images, { image: 'mean', ...mean }], { header: true, columns: ['image', ...metrics] });
}

function toTable({ images, mean }: ScoreTable<MetricName>, metrics: readonly MetricName[]): string {
  const cells = (row: Record<MetricName, number>): string[] => metrics.map((m) => row[m].toFixed(4));
  return table(
    ['image', ...metrics],
    [...images.map((row) => [row.image, ...cells(row)]), ['mean', ...cells(mean)]],
  );
}
