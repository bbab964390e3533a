/**
 * npm run e2e:slurm: a grid on a real Slurm. Starts munged, slurmctld and slurmd of this machine in a temporary folder, beside
 * any other Slurm, and stops them at the end. Submits a grid of the smallest profile; kills a task's process, warns one as
 * before its time limit, cancels and submits again, queues a finished task again; collects, and compares with a local
 * `mimicsr reproduce`: the same table, scores and weights.
 *
 * Needed: root, and `apt-get install slurm-wlm munge`; without, says so and passes over it. Children are real `mimicsr` processes
 * of the built kit.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, hostname, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readResults } from '../../src/experiments/store';
import { runFiles } from '../../src/util/run-files';
import { MIMICSR_BIN } from '../../src/util/versions';
import { readSafetensors } from '../../src/weights/safetensors';
import { timeless } from '../experiments/result-row';

const PROGRAMS = ['munged', 'slurmctld', 'slurmd', 'sbatch'];
/** The longest that anything may take on a busy machine. */
const WAIT_MS = 900_000;

interface Cell {
  readonly run: string;
  readonly state: string;
  readonly words: string;
  readonly job?: string;
  readonly log?: string;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function holds(claim: boolean, text: string): void {
  if (!claim) throw new Error(`not so: ${text}`);
  say(`ok: ${text}`);
}

/** A Slurm of one node. */
class Cluster {
  private readonly daemons: ChildProcess[] = [];
  readonly environment: NodeJS.ProcessEnv;

  constructor(private readonly folder: string) {
    this.environment = { ...process.env, SLURM_CONF: join(folder, 'slurm.conf'), MIMICSR_THREADS: '1' };
  }

  async start(): Promise<void> {
    const at = (name: string): string => join(this.folder, name);
    for (const name of ['state', 'spool']) mkdirSync(at(name));
    writeFileSync(at('munge.key'), randomBytes(128), { mode: 0o400 });
    writeFileSync(at('slurm.conf'), configuration(at));
    const own = ['socket', 'pid-file', 'log-file', 'seed-file'].map((n) => `--${n}=${at(`munge.${n}`)}`);
    this.daemon('munged', '--foreground', '--force', `--key-file=${at('munge.key')}`, ...own);
    await until('munged', () => existsSync(at('munge.socket')));
    this.daemon('slurmctld', '-D', '-f', at('slurm.conf'));
    await until('slurmctld', () => this.try('scontrol', 'ping').includes('is UP'));
    this.daemon('slurmd', '-D', '-f', at('slurm.conf'));
    await until('slurmd', () => this.try('sinfo', '--noheader', '--format=%t').trim() === 'idle');
  }

  private daemon(name: string, ...args: string[]): void {
    this.daemons.unshift(spawn(name, args, { stdio: 'ignore', env: this.environment }));
  }

  private try(name: string, ...args: string[]): string {
    return spawnSync(name, args, { encoding: 'utf8', env: this.environment }).stdout;
  }

  succeeds(name: string, ...args: string[]): boolean {
    return spawnSync(name, args, { env: this.environment }).status === 0;
  }

  run(name: string, ...args: string[]): string {
    return execFileSync(name, args, {
      encoding: 'utf8',
      env: this.environment,
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  mimicsr(...args: string[]): string {
    return this.run(process.execPath, MIMICSR_BIN, ...args);
  }

  async stop(): Promise<void> {
    this.try('scancel', '--user=root');
    await until('the end of all jobs', () => this.try('squeue', '--noheader').trim() === '').catch(
      () => undefined,
    );
    for (const daemon of this.daemons) {
      const ended = new Promise((resolve) => daemon.once('exit', resolve));
      if (daemon.exitCode === null && daemon.kill()) await ended;
    }
  }
}

function configuration(at: (name: string) => string): string {
  const node = hostname();
  const memory = Math.floor((0.9 * totalmem()) / 2 ** 20);
  return `ClusterName=mimicsr
SlurmctldHost=${node}(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
AuthInfo=socket=${at('munge.socket')}
StateSaveLocation=${at('state')}
SlurmdSpoolDir=${at('spool')}
SlurmctldPidFile=${at('slurmctld.pid')}
SlurmdPidFile=${at('slurmd.pid')}
SlurmctldLogFile=${at('slurmctld.log')}
SlurmdLogFile=${at('slurmd.log')}
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MinJobAge=600
KillWait=120
NodeName=${node} NodeAddr=127.0.0.1 CPUs=${availableParallelism()} RealMemory=${memory}
PartitionName=main Nodes=${node} Default=YES State=UP
`;
}

async function until(what: string, done: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!done()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(500);
  }
}

const SELECTION = ['table2', '--profile', 'smoke', '--networks', 'seemore'];
const SELECTED = [...SELECTION, '--processes', 'l1,mimic-corrected', '--seeds', '1,2'];
/** Long enough to be caught in the act. */
const LENGTH = ['--iterations', '100'];

class SlurmGrid {
  constructor(
    private readonly cluster: Cluster,
    readonly folder: string,
  ) {}

  private command(name: string, ...more: string[]): string {
    return this.cluster.mimicsr('grid', name, ...SELECTED, ...LENGTH, ...this.folders(), ...more);
  }

  folders(): string[] {
    return ['--runs', join(this.folder, 'runs'), '--out', join(this.folder, 'out')];
  }

  submit(...more: string[]): void {
    this.command('submit', '--cpus', '1', '--memory', '1', ...more);
  }

  cancel(): void {
    this.command('cancel');
  }

  collect(): void {
    this.command('collect');
  }

  status(): Cell[] {
    return JSON.parse(this.command('status', '--json')) as Cell[];
  }

  cell(run: string): Cell {
    return this.status().find((cell) => cell.run === run)!;
  }

  steps(run: string): number {
    const { log } = runFiles(join(this.folder, 'runs', run));
    return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').length : 0;
  }

  /** Whether a run was stopped in order: its checkpoint is of its last update, though it saves every other one alone. */
  stopped(run: string): boolean {
    const { checkpoint } = runFiles(join(this.folder, 'runs', run));
    return existsSync(checkpoint) && Number(readSafetensors(checkpoint).metadata.step) === this.steps(run);
  }

  /** A run that is training now. */
  async training(): Promise<Cell> {
    let found: Cell | undefined;
    await until('a run in training', () => {
      found = this.status().find(({ run, state }) => state === 'running' && this.steps(run) > 2);
      return found !== undefined;
    });
    return found!;
  }
}

/** The process that runs a cell. */
function processOf(run: string): number {
  const lines = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n');
  const line = lines.find((l) => l.includes(MIMICSR_BIN) && l.trimEnd().endsWith(`--cell ${run}`));
  if (line === undefined) throw new Error(`no process completes ${run}`);
  return Number(line.trim().split(/\s+/)[0]);
}

async function main(): Promise<void> {
  const absent = PROGRAMS.filter((name) => spawnSync('which', [name]).status !== 0);
  if (absent.length > 0 || process.getuid?.() !== 0) {
    say(
      `skipped: ${absent.length > 0 ? `no ${absent.join(', ')} (apt-get install slurm-wlm munge)` : 'not root'}`,
    );
    return;
  }
  const began = performance.now();
  const root = mkdtempSync(join(tmpdir(), 'mimicsr-slurm-'));
  const cluster = new Cluster(root);
  try {
    await cluster.start();
    say(cluster.run('sinfo', '--version').trim());
    const grid = new SlurmGrid(cluster, join(root, 'grid'));
    await scenario(cluster, grid);
    const local = join(root, 'local');
    compare(cluster, grid, local);
    say(`${((performance.now() - began) / 60_000).toFixed(1)} min`);
  } finally {
    await cluster.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

async function scenario(cluster: Cluster, grid: SlurmGrid): Promise<void> {
  holds(
    grid.status().every(({ state }) => state === 'not submitted'),
    'nothing is submitted at first',
  );
  grid.submit('--at-once', '1');
  const jobs = grid.status().map(({ job }) => job);
  holds(
    jobs.every((job) => /^\d+_\d+$/.test(job ?? '')),
    `all are submitted: ${jobs.join(', ')}`,
  );
  grid.submit('--at-once', '1');
  holds(
    grid.status().every(({ state, job }, i) => state === 'finished' || job === jobs[i]),
    'what is in the queue is not submitted twice',
  );

  const killed = await grid.training();
  process.kill(processOf(killed.run), 'SIGKILL');
  await until('the end of a killed run', () => grid.cell(killed.run).state === 'ended');
  holds(
    grid.cell(killed.run).words.startsWith('FAILED'),
    `a task whose process is killed has failed (${killed.run})`,
  );

  const warned = await grid.training();
  // A job that Slurm has just started may not be altered for a moment.
  await until('the warning', () => cluster.succeeds('scancel', '--batch', '--signal=USR1', warned.job!));
  await until('the warned run to wait again', () => grid.cell(warned.run).state === 'waiting');
  holds(
    grid.stopped(warned.run),
    `a task that is warned of its time limit saves a checkpoint and waits again (${warned.run})`,
  );

  const ended = await grid.training();
  grid.cancel();
  await until('the end of cancelled runs', () =>
    grid.status().every(({ state }) => state === 'finished' || state === 'ended'),
  );
  holds(grid.stopped(ended.run), `a task that is cancelled saves a checkpoint (${ended.run})`);

  grid.submit();
  await until('the end of all runs', () => grid.status().every(({ state }) => state === 'finished'));
  holds(true, 'submitted again, all come to their end');
  await until('an empty queue', () => cluster.run('squeue', '--noheader').trim() === '');
  const job = JSON.parse(readFileSync(join(grid.folder, 'runs', killed.run, 'job.json'), 'utf8')) as Cell;
  const steps = grid.steps(killed.run);
  cluster.run('scontrol', 'requeue', job.job!);
  await until('the task that is queued again', () => cluster.run('squeue', '--noheader').trim() === '');
  holds(grid.steps(killed.run) === steps, 'a finished run that is queued again trains nothing');
  grid.collect();
}

/** The same table as made in one process of this machine. */
function compare(cluster: Cluster, grid: SlurmGrid, local: string): void {
  cluster.mimicsr(
    'reproduce',
    ...SELECTED,
    ...LENGTH,
    '--runs',
    join(local, 'runs'),
    '--out',
    join(local, 'out'),
  );
  for (const ending of ['md', 'csv', 'tex', 'html']) {
    const [a, b] = [grid.folder, local].map((f) => readFileSync(join(f, 'out', `table2.${ending}`), 'utf8'));
    holds(a === b, `table2.${ending} is as reproduce writes it`);
  }
  const [a, b] = [grid.folder, local].map((f) => readResults(join(f, 'out', 'scores.csv')).map(timeless));
  holds(JSON.stringify(a) === JSON.stringify(b), `${a.length} scores are the same`);
  const runs = [...new Set(a.map(({ experiment }) => experiment))].filter((id) => id !== 'bicubic');
  for (const id of runs) {
    const [x, y] = [grid.folder, local].map((f) => readFileSync(runFiles(join(f, 'runs', id)).weights));
    holds(x.equals(y), `the same weights: ${id}`);
  }
}

main().catch((error: unknown) => {
  const { stack, stderr } = error as Error & { stderr?: string };
  process.stderr.write(`${stack ?? String(error)}\n${stderr ?? ''}\n`);
  process.exitCode = 1;
});
