/**
 * npm run notebooks:test: executes every notebook of notebooks/ headless, each in a clean kernel, at a size of seconds, with
 * runs and results in a folder of its own. Fails on any error or message on standard error, on a notebook of more than 1.5 MB,
 * and on a cell without the kinds of output that its metadata expects (`"expect": ["image/png"]`).
 *
 * npm run notebooks:run: executes them with their own parameters and keeps the outputs, figures as pictures.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { Command } from 'commander';
import { note } from '../src/cli/output';
import { hasModel } from '../src/experiments/benchmarks';
import { InputError, unknownName } from '../src/util/errors';
import { PACKAGE_ROOT } from '../src/util/versions';

const FOLDER = join(PACKAGE_ROOT, 'notebooks');
const LARGEST = 1.5e6;

const TABLE = { profile: 'smoke', networks: ['seemore'], processes: ['l1', 'mimic'] };
/** Parameters of the test, by notebook. */
const SMOKE: Readonly<Record<string, unknown>> = {
  ablations: { profile: 'smoke' },
  'alignment-truth': { iterations: 2, batch: 1, scenes: 2, shifts: [0, 2] },
  engines: { patch: 24, batch: 1, iterations: 1 },
  figures: TABLE,
  lambda: { profile: 'smoke', lambdas: [0, 0.1] },
  quickstart: { iterations: 4, batch: 2, scenes: 3 },
  table1: TABLE,
  table2: TABLE,
  table3: { ...TABLE, processes: ['synthetic', 'mimic'] },
};

interface Output {
  readonly output_type: 'stream' | 'display_data' | 'execute_result' | 'error';
  readonly name?: string;
  readonly text?: string | readonly string[];
  readonly data?: Readonly<Record<string, unknown>>;
  readonly ename?: string;
  readonly evalue?: string;
}

interface Notebook {
  readonly cells: readonly {
    readonly cell_type: string;
    readonly source: string | readonly string[];
    readonly metadata: { readonly expect?: readonly string[] };
    readonly outputs?: readonly Output[];
  }[];
}

const read = (path: string): Notebook => JSON.parse(readFileSync(path, 'utf8')) as Notebook;

const command = new Command('notebooks')
  .description(
    'Execute the notebooks headless: as a test at a size of seconds, or with --keep for their outputs.',
  )
  .argument('[names...]', 'notebooks without .ipynb (default: all)')
  .option('--keep', 'execute with their own parameters and keep the outputs')
  .addHelpText('after', '\nExample:\n  npm run notebooks:test -- quickstart lambda')
  .action((names: string[], { keep = false }: { keep?: boolean }) => {
    const all = readdirSync(FOLDER)
      .filter((file) => file.endsWith('.ipynb'))
      .map((file) => basename(file, '.ipynb'));
    for (const name of names) if (!all.includes(name)) throw unknownName('notebook', name, all);
    if (spawnSync('jupyter', ['nbconvert', '--version']).status !== 0) {
      throw new InputError(
        'jupyter nbconvert is missing: pip install nbconvert, or apt-get install jupyter-nbconvert',
      );
    }
    const faults = (names.length > 0 ? names : all).flatMap((name) => {
      if (!keep && name === 'table3' && !hasModel('niqe')) {
        note("table3: skipped, NIQE's model is missing: `mimicsr data fetch niqe-pristine` brings it");
        return [];
      }
      const begin = Date.now();
      const found = keep ? execute(name, FOLDER, {}) : test(name);
      note(
        `${name}: ${found.length === 0 ? 'passed' : 'failed'}, ${((Date.now() - begin) / 1000).toFixed(0)} s`,
      );
      return found.map((fault) => `${name}: ${fault}`);
    });
    if (faults.length > 0) throw new InputError(faults.join('\n'));
  });

function test(name: string): string[] {
  const kept = join(FOLDER, `${name}.ipynb`);
  const size = statSync(kept).size;
  if (size > LARGEST) return [`${(size / 1e6).toFixed(1)} MB: expected at most ${LARGEST / 1e6}`];
  const folder = mkdtempSync(join(tmpdir(), 'notebook-'));
  try {
    const failures = execute(name, folder, {
      MIMICSR_PARAMETERS: JSON.stringify(SMOKE[name] ?? {}),
      MIMICSR_RUNS: join(folder, 'runs'),
      MIMICSR_RESULTS: join(folder, 'results'),
    });
    return failures.length > 0 ? failures : outputFaults(read(join(folder, `${name}.ipynb`)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Executes a notebook into a folder. @returns what went wrong */
function execute(name: string, folder: string, environment: NodeJS.ProcessEnv): string[] {
  const path = [join(PACKAGE_ROOT, 'jupyter'), process.env.JUPYTER_PATH].filter(Boolean).join(delimiter);
  const { status, stderr } = spawnSync(
    'jupyter',
    [
      ...[
        'nbconvert',
        '--to',
        'notebook',
        '--execute',
        join(FOLDER, `${name}.ipynb`),
        '--output-dir',
        folder,
      ],
      // Outputs that are redrawn in place are kept in their last state; times would make every run another file.
      ...['--ExecutePreprocessor.timeout=-1', '--ExecutePreprocessor.record_timing=False'],
    ],
    {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      env: { ...process.env, JUPYTER_PATH: path, MIMICSR_FIGURES: 'static', ...environment },
    },
  );
  if (status === 0) return [];
  return [stderr.split('\n').slice(-30).join('\n')];
}

/** What cells put out that they must not, and what they lack. */
function outputFaults({ cells }: Notebook): string[] {
  const code = cells.filter((cell) => cell.cell_type === 'code');
  return code.flatMap(({ outputs = [], source, metadata }, i) => {
    const cell = `cell ${i + 1} (${[source].flat().join('').split('\n')[0]})`;
    const wrong = outputs.filter((o) => o.output_type === 'error' || o.name === 'stderr');
    const kinds = outputs.flatMap(kindsOf);
    const lacking = (metadata.expect ?? []).filter((kind) => !kinds.includes(kind));
    return [
      ...wrong.map((o) => `${cell}: ${o.evalue ?? [o.text ?? ''].flat().join('').trim()}`),
      ...(lacking.length === 0 ? [] : [`${cell} has no ${lacking.join(', ')}`]),
    ];
  });
}

function kindsOf({ name, data }: Output): string[] {
  return [...Object.keys(data ?? {}), ...(name === undefined ? [] : [name])];
}

command.parseAsync().catch((error: unknown) => {
  note(error instanceof InputError ? error.message : String((error as Error).stack ?? error));
  process.exitCode = 1;
});
