/**
 * npm run test:faults [-- --kills N --soak MINUTES --seed N]: trainings of every process, and a grid, are killed (SIGKILL) and
 * started again, until N kills have come home. Half of the kills come at a random time, half with a random change of a file,
 * so that they fall into the writing of it; in a grid of several processes half hit one of its runs, half the grid itself,
 * whose runs then go on beside those of the next one. Every training must end with the same weights, optimiser state, log
 * and pseudo-GT pictures, bit for bit, as one that was left alone, the grid with the same scores, and no lock or half-written
 * file may stay behind. With --soak the grid goes on in a loop for so many minutes.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  type FSWatcher,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { METHODS, type MethodName } from '../../src/experiments/methods';
import { readResults } from '../../src/experiments/store';
import { PROCESS_NAMES, type TrainingSettings } from '../../src/train/config';
import { Random } from '../../src/util/random';
import { runFiles } from '../../src/util/run-files';
import { readSafetensors } from '../../src/weights/safetensors';
import { timeless } from '../experiments/result-row';
import { startMimicsr } from './child';

export interface KillsOptions {
  /** In all. */
  readonly kills: number;
  readonly seed?: number;
  /** Trainings that are killed. Default: one a process. */
  readonly methods?: readonly MethodName[];
  /** Whether a grid is killed too. */
  readonly grid?: boolean;
  /** Minutes of the grid in a loop. */
  readonly soak?: number;
  readonly say?: (text: string) => void;
}

const TRAININGS: readonly MethodName[] = [...PROCESS_NAMES, 'mimic-camera'];

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

const GRID = 'reproduce table2 --profile smoke --networks seemore --processes l1,mimic-recoloured,pseudo-gt';

/** How long an undisturbed execution takes, and how many changes of files it makes. */
interface Calm {
  readonly milliseconds: number;
  readonly changes: number;
}

class Faults {
  readonly root = mkdtempSync(join(tmpdir(), 'mimicsr-faults-'));
  killed = 0;
  private readonly random: Random;
  private grids = 0;

  constructor(seed: number) {
    this.random = new Random(seed, 'kills');
  }

  /** @returns how many kills the training took */
  async training(method: MethodName, kills: number): Promise<number> {
    const config = join(this.root, `${method}.json`);
    writeFileSync(config, JSON.stringify(settings(method)));
    const [calm, killed] = ['calm', 'killed'].map((name) => join(this.root, `${method}-${name}`));
    const command = (folder: string): string[] => ['train', '--config', config, '--out', folder];
    const took = await this.calm(command(calm), calm);
    const count = await this.tortured(command(killed), killed, kills, took, () => undefined);
    same(method, stateOf(calm), stateOf(killed));
    return count;
  }

  /** A grid that is left alone: its scores, and what `tortured` needs to know. */
  async calmGrid(): Promise<{ readonly scores: object[]; readonly took: Calm }> {
    const folder = join(this.root, 'grid-calm');
    const took = await this.calm(gridCommand(folder, 1), folder);
    return { scores: scoresOf(folder), took };
  }

  /** @returns how many kills the grid took */
  async grid(
    kills: number,
    jobs: number,
    { scores, took }: Awaited<ReturnType<Faults['calmGrid']>>,
  ): Promise<number> {
    const folder = join(this.root, `grid-${this.grids++}`);
    const aRun = (): number | undefined =>
      jobs > 1 && this.random.chance(0.5) ? this.random.pick(holders(folder)) : undefined;
    try {
      const count = await this.tortured(gridCommand(folder, jobs), folder, kills, took, aRun);
      same('grid', scores, scoresOf(folder));
      return count;
    } finally {
      await removed(folder);
    }
  }

  private async calm(args: readonly string[], folder: string): Promise<Calm> {
    mkdirSync(folder);
    let changes = 0;
    const watcher = watched(folder, () => changes++);
    const began = performance.now();
    const { end, output } = startMimicsr(args);
    const code = await end;
    watcher.close();
    if (code !== 0) throw new Error(`mimicsr ${args.join(' ')} ended with ${code}:\n${output()}`);
    return { milliseconds: performance.now() - began, changes };
  }

  /**
   * Runs the command again and again, to its end after `kills` executions at most that were killed.
   * @param victim whom a kill hits: a process id; undefined for the command itself
   * @returns how many were killed
   */
  private async tortured(
    args: readonly string[],
    folder: string,
    kills: number,
    took: Calm,
    victim: () => number | undefined,
  ): Promise<number> {
    mkdirSync(folder);
    let count = 0;
    for (let tries = 0; ; tries++) {
      const { process: child, end, output } = startMimicsr(args);
      let hit = false;
      const kill = (): void => {
        if (hit || child.exitCode !== null) return;
        hit = true;
        try {
          process.kill(victim() ?? child.pid!, 'SIGKILL');
        } catch {
          hit = false; // it had just ended
        }
      };
      let changes = tries % 2 === 1 ? Infinity : this.random.integer(1, took.changes);
      const watcher = watched(folder, () => {
        if (count < kills && --changes === 0) kill();
      });
      const after = this.random.uniform(0, took.milliseconds);
      const timer = count < kills && changes === Infinity ? setTimeout(kill, after) : undefined;
      const code = await end;
      clearTimeout(timer);
      watcher.close();
      if (code === 0) break;
      if (!hit) throw new Error(`mimicsr ${args.join(' ')} ended with ${code}:\n${output()}`);
      count++;
    }
    this.killed += count;
    return count;
  }
}

function gridCommand(folder: string, jobs: number): string[] {
  return [...GRID.split(' '), '--jobs', String(jobs), '--runs', join(folder, 'runs'), '--out', folder];
}

function watched(folder: string, onChange: () => void): FSWatcher {
  const watcher = watch(folder, { recursive: true }, onChange);
  return watcher.on('error', () => undefined); // what it looked at is gone already
}

/** Ids of the processes at work in a grid's runs: their locks tell. */
function holders(folder: string): number[] {
  const runs = join(folder, 'runs');
  if (!existsSync(runs)) return [];
  return readdirSync(runs).flatMap((name) => {
    try {
      return [parseInt(readFileSync(runFiles(join(runs, name)).lock, 'utf8'), 10)].filter((pid) => pid > 0);
    } catch {
      return [];
    }
  });
}

/** Everything of a run that must not depend on what happened to it on the way. */
function stateOf(folder: string): Record<string, unknown> {
  const files = runFiles(folder);
  const log = readFileSync(files.log, 'utf8').trim().split('\n');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const content = (name: string): unknown => {
    const path = join(folder, name);
    if (name.endsWith('.safetensors')) return [...readSafetensors(path).tensors];
    return name.endsWith('.png') ? readFileSync(path).toString('base64') : null;
  };
  return {
    log: log.map((line) => ({ ...(JSON.parse(line) as object), seconds: 0 })),
    ...Object.fromEntries(names.map((name) => [name, content(name)])),
  };
}

function scoresOf(folder: string): object[] {
  return readResults(join(folder, 'scores.csv')).map(timeless);
}

function same(what: string, calm: object, killed: object): void {
  const [a, b] = [calm, killed].map((value) =>
    JSON.stringify(value, (_, v: unknown) => (ArrayBuffer.isView(v) ? [...(v as Float32Array)] : v)),
  );
  if (a === b) return;
  let at = 0;
  while (a[at] === b[at]) at++;
  const near = (text: string): string => text.slice(Math.max(0, at - 200), at + 100);
  throw new Error(`${what}: not as undisturbed: …${near(b)}…, expected …${near(a)}…`);
}

/** Removes a folder in which a run of a killed grid may still be at work. */
async function removed(folder: string): Promise<void> {
  for (const pid of holders(folder)) process.kill(pid, 'SIGKILL');
  await sleep(100);
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
}

/** @returns how many kills came home */
export async function killsSurvived(options: KillsOptions): Promise<number> {
  const { kills, methods = TRAININGS, grid = true, soak = 0, seed = 1, say = () => undefined } = options;
  const faults = new Faults(seed);
  try {
    const parts = methods.length + (grid ? 1 : 0);
    for (const [i, method] of methods.entries()) {
      // A kill that comes after the end is none: later parts take over what is missing.
      const count = await faults.training(method, Math.ceil((kills - faults.killed) / (parts - i)));
      say(`${method}: ${count} kills, the same as undisturbed`);
    }
    if (grid || soak > 0) {
      const calm = await faults.calmGrid();
      const until = performance.now() + soak * 60_000;
      for (let round = 0; faults.killed < kills || performance.now() < until; round++) {
        const jobs = 1 + (round % 2);
        const count = await faults.grid(4, jobs, calm);
        say(`grid ${round + 1}, ${jobs} at a time: ${count} kills, the same as undisturbed`);
      }
    }
    return faults.killed;
  } finally {
    rmSync(faults.root, { recursive: true, force: true, maxRetries: 20 });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '50' },
      soak: { type: 'string', default: '0' },
      seed: { type: 'string', default: '1' },
    },
  });
  const [kills, soak, seed] = [values.kills, values.soak, values.seed].map(Number);
  const began = performance.now();
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const survived = await killsSurvived({ kills, soak, seed, say });
  say(`${survived} kills survived, 0 different, ${((performance.now() - began) / 60_000).toFixed(1)} min`);
}

if (require.main === module) {
  main().catch((error: unknown) => {
    process.stderr.write(`${String((error as Error).stack)}\n`);
    process.exitCode = 1;
  });
}
