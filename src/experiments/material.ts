/** Data sets and weights that runs need and this machine lacks. */
import { hasDataset } from '../data/datasets';
import { findManifest, manifests } from '../data/manifests';
import { pathOf } from '../data/verify';
import type { AuxiliaryInputConfig } from '../baselines/auxiliary-input';
import type { FlowName } from '../flow/estimators';
import type { ColourName } from '../losses/colour-terms';
import type { FeatureName } from '../losses/features';
import type { ProcessConfig } from '../train/config';
import { InputError } from '../util/errors';
import { setsOf } from './experiment';
import { missingBenchmarks, type PlannedRun } from './plan';
import type { ResultRow } from './store';

/** The manifests of weights, by the option of a process that asks for them. */
const WEIGHTS: Readonly<Record<string, string>> = {
  'pwc-net-rgb': 'pwc-net',
  'pwc-net-bgr': 'pwc-net',
  'raft-small': 'raft-small',
  'cdnet-released': 'cdnet',
  'cdnet-corrected': 'cdnet',
  vgg19: 'vgg19',
  'selfdzsr-nikon': 'selfdzsr-auxlr',
} satisfies Partial<Record<FlowName | ColourName | FeatureName | AuxiliaryInputConfig['start'], string>>;

/** What is missing for runs that are still to do, each once, with the commands that bring it: "Set5: mimicsr data fetch Set5". */
export function missingMaterial(runs: readonly PlannedRun[], results: readonly ResultRow[]): string[] {
  const sets = runs.flatMap((run) => [
    ...(run.experiment === undefined ? [] : setsOf(run.experiment)),
    ...missingBenchmarks(run, results).flatMap(({ name }) => (name === 'scenes' ? [] : [name])),
  ]);
  const weights = runs.flatMap(({ experiment }) =>
    experiment === undefined ? [] : weightsOf(experiment.config.process),
  );
  return [
    ...distinct(sets)
      .filter((name) => !hasDataset(name))
      .map((name) => `${name}: ${bringing(name)}`),
    ...distinct(weights)
      .filter((name) => pathOf(findManifest(name)) === undefined)
      .map((name) => `${name} weights: mimicsr data fetch ${name}`),
  ];
}

/** @throws InputError with all that is missing for runs that are still to do */
export function requireMaterial(runs: readonly PlannedRun[], results: readonly ResultRow[]): void {
  const missing = missingMaterial(runs, results);
  if (missing.length > 0) throw new InputError(missingText(missing));
}

export function missingText(missing: readonly string[]): string {
  return ['the runs need what is not here:', ...missing].join('\n  ');
}

function weightsOf(process: ProcessConfig): string[] {
  const options = 'options' in process ? Object.values(process.options) : [];
  return options.flatMap((value) => WEIGHTS[String(value)] ?? []);
}

/** The commands that bring a set, which may be one that is prepared from another. */
function bringing(name: string): string {
  const [set] = name.split(/[/:]/);
  const published = (wanted: string): boolean => manifests().some((manifest) => manifest.name === wanted);
  const source = set.replace(/-x4$/, '');
  if (source !== set && published(source))
    return `mimicsr data fetch ${source}, then mimicsr data prepare ${source}`;
  return published(set) ? `mimicsr data fetch ${set}` : 'no folder or data set of that name';
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)];
}
