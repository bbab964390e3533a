/**
 * npm run test:faults [-- --kills N --soak MINUTES --seed N --threads N]: trainings and a grid of tables are killed (SIGKILL) at
 * random instants and started again, until N kills have come home. Every training must end with the same weights, log and
 * pseudo-GT pictures, bit for bit, as one that was left alone, and the grid with the same scores; nothing may stay behind.
 * With --soak, the grid in a loop for so many minutes under kills.
 *
 * Children are real `mimicsr` processes of the built kit, on drawn scenes.
 */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { METHODS, type MethodName } from '../../src/experiments/methods';
import { readResults, type ResultRow } from '../../src/experiments/store';
import type { TrainingSettings } from '../../src/train/config';
import { Random } from '../../src/util/random';
import { runFiles } from '../../src/util/run-files';
import { PACKAGE_ROOT } from '../../src/util/versions';
import { readSafetensors } from '../../src/weights/safetensors';

export interface KillsOptions {
  /** In all. */
  readonly kills: number;
  readonly seed?: number;
  readonly threads?: number;
  readonly methods?: readonly MethodName[];
  /** Whether the grid is killed too. */
  readonly grid?: boolean;
  /** Minutes of the grid in a loop. */
  readonly soak?: number;
  readonly say?: (text: string) => void;
}

/** One training a process kind; the shortest that has all its parts. */
const TRAININGS: readonly MethodName[] = [
  'l1',
  'alignment-loss',
  'cx',
  'cobi',
  'auxiliary-input',
  'pseudo-gt',
  'synthetic',
  'mimic-corrected',
  'mimic-recoloured',
];

function settings(method: MethodName): TrainingSettings {
  return {
    network: { name: 'seemore' },
    process: METHODS[method].process({
      weights: 'at hand',
      pseudoGt: { lengths: { dam: 0.5, alignformer: 0.5 }, patch: 24, batch: 1 },
    }),
    data: { kind: 'scenes', preset: 'srraw-like', count: 2 },
    recipe: { iterations: 8, batch: 1, patch: 24, checkpointEvery: 2, logEvery: 1, seed: 1 },
  };
}

const GRID = ['reproduce', 'table2', '--profile', 'smoke', '--networks', 'seemore', '--processes'];
const GRID_METHODS = 'l1,mimic-recoloured,pseudo-gt';

class Faults {
  readonly root = mkdtempSync(join(tmpdir(), 'mimicsr-faults-'));
  private readonly random: Random;
  killed = 0;
  /** Milliseconds that the grid takes undisturbed. */
  private calmGrid = 0;

  constructor(private readonly options: KillsOptions) {
    this.random = new Random(options.seed ?? 1, 'kills');
  }

  /** Runs the command; killed after `after` milliseconds. @returns whether it came to its end */
  async run(args: readonly string[], after = Infinity): Promise<boolean> {
    const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'vendor', 'mimicsr', 'bin.js'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, MIMICSR_THREADS: String(this.options.threads ?? 1) },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)));
    const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
      child.once('close', (...result) => resolve(result)),
    );
    const timer = Number.isFinite(after) ? setTimeout(() => child.kill('SIGKILL'), after) : undefined;
    const [code, signal] = await ended;
    clearTimeout(timer);
    if (signal === 'SIGKILL') {
      this.killed++;
      return false;
    }
    if (code !== 0) throw new Error(`mimicsr ${args.join(' ')} ended with ${code ?? signal}:\n${output}`);
    return true;
  }

  /** Runs the command to its end, with `kills` kills on the way, each at a random instant of `milliseconds`. */
  async tortured(args: readonly string[], kills: number, milliseconds: number): Promise<void> {
    for (let left = kills; left > 0; left--) {
      if (await this.run(args, this.random.uniform(0, milliseconds))) break;
    }
    await this.run(args);
  }

  /** How long a command takes undisturbed. */
  async timed(args: readonly string[]): Promise<number> {
    const began = performance.now();
    await this.run(args);
    return performance.now() - began;
  }

  async training(method: MethodName, kills: number): Promise<void> {
    const config = join(this.root, `${method}.json`);
    writeFileSync(config, JSON.stringify(settings(method)));
    const command = (folder: string): string[] => ['train', '--config', config, '--out', folder];
    const [calm, killed] = ['calm', 'killed'].map((name) => join(this.root, `${method}-${name}`));
    const milliseconds = await this.timed(command(calm));
    await this.tortured(command(killed), kills, milliseconds);
    same(method, stateOf(calm), stateOf(killed));
  }

  async grid(
    kills: number,
    jobs: number,
    calm?: ReturnType<typeof scoresOf>,
  ): Promise<ReturnType<typeof scoresOf>> {
    const folder = join(this.root, `grid-${this.random.integer(0, 1e9)}`);
    mkdirSync(folder);
    const command = [
      ...GRID,
      GRID_METHODS,
      '--jobs',
      String(jobs),
      '--runs',
      join(folder, 'runs'),
      '--out',
      folder,
    ];
    if (calm === undefined) this.calmGrid = await this.timed(command);
    else await this.tortured(command, kills, this.calmGrid);
    const scores = scoresOf(join(folder, 'scores.csv'));
    if (calm !== undefined) same('grid', calm, scores);
    rmSync(folder, { recursive: true });
    return scores;
  }
}

/** Everything of a run that must not depend on what happened to it on the way. */
function stateOf(folder: string): Record<string, unknown> {
  const files = runFiles(folder);
  const log = readFileSync(files.log, 'utf8').trim().split('\n');
  const temporary = readdirSync(folder).filter((name) => name.endsWith('.lock') || name === 'lock');
  return {
    log: log.map((line) => ({ ...(JSON.parse(line) as object), seconds: 0 })),
    ...Object.fromEntries(
      ['weights', 'helper', 'checkpoint'].flatMap((name) => {
        const path = files[name as 'weights'];
        return existsSync(path) ? [[name, [...readSafetensors(path).tensors]]] : [];
      }),
    ),
    pictures: existsSync(files.preparation) ? picturesIn(files.preparation) : {},
    temporary,
  };
}

function picturesIn(folder: string): Record<string, string> {
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.png'),
  );
  return Object.fromEntries(
    all.sort().map((name) => [name, readFileSync(join(folder, name)).toString('base64')]),
  );
}

/** Scores without what says when and how fast they were made. */
function scoresOf(path: string): object[] {
  const outcome = (row: ResultRow): object => ({ ...row, secondsPerStep: 0, finished: '', scoredAt: '' });
  return readResults(path).map(outcome);
}

function same(what: string, calm: object, killed: object): void {
  const [a, b] = [calm, killed].map((value) =>
    JSON.stringify(value, (_, v: unknown) => (ArrayBuffer.isView(v) ? [...(v as Float32Array)] : v)),
  );
  if (a === b) return;
  const at = [...a].findIndex((c, i) => c !== b[i]);
  throw new Error(
    `${what}: not as undisturbed: …${b.slice(Math.max(0, at - 200), at + 100)}…, expected …${a.slice(at, at + 100)}…`,
  );
}

/** @returns how many kills came home */
export async function killsSurvived(options: KillsOptions): Promise<number> {
  const { kills, methods = TRAININGS, grid = true, soak = 0, say = () => undefined } = options;
  const faults = new Faults(options);
  try {
    const parts = methods.length + (grid ? 2 : 0);
    for (const [i, method] of methods.entries()) {
      const before = faults.killed;
      // A kill that comes after the end is none: later parts take over what is missing.
      const share = Math.ceil((kills - before) / (parts - i));
      await faults.training(method, share);
      say(`${method}: ${faults.killed - before} kills, the same as undisturbed`);
    }
    if (grid || soak > 0) {
      const calm = await faults.grid(0, 1);
      const until = performance.now() + soak * 60_000;
      for (let round = 0; faults.killed < kills || performance.now() < until; round++) {
        const before = faults.killed;
        const jobs = 1 + (round % 2);
        await faults.grid(4, jobs, calm);
        say(`grid, ${jobs} at a time: ${faults.killed - before} kills, the same as undisturbed`);
      }
    }
    return faults.killed;
  } finally {
    for (let tries = 0; tries < 50; tries++) {
      try {
        rmSync(faults.root, { recursive: true, force: true });
        break;
      } catch {
        await sleep(200); // a cell of a killed grid may still write
      }
    }
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '50' },
      soak: { type: 'string', default: '0' },
      seed: { type: 'string', default: '1' },
      threads: { type: 'string', default: '1' },
    },
  });
  const [kills, soak, seed, threads] = [values.kills, values.soak, values.seed, values.threads].map(Number);
  const began = performance.now();
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const survived = await killsSurvived({ kills, soak, seed, threads, say });
  say(`${survived} kills survived, 0 different, ${((performance.now() - began) / 60_000).toFixed(1)} min`);
}

if (require.main === module) {
  main().catch((error: unknown) => {
    process.stderr.write(`${String((error as Error).stack)}\n`);
    process.exitCode = 1;
  });
}
