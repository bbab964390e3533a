/**
 * A grid on other machines: its runs handed to a scheduler (`Launcher`), their states, their scores collected. All that is kept
 * of a submission is one file a run, `<runs>/<id>/job.json`, so that tables which share a run do not submit it twice. Runs and
 * results are on a file system that all machines share (`docs/clusters.md`).
 *
 * Nothing here is needed for a right result: a run that is submitted twice, killed or queued again waits for its folder's lock,
 * goes on from its checkpoint, or finds itself finished.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { exclusively } from '../util/exclusive';
import { readJson } from '../util/json';
import { parseWith } from '../util/schema';
import { MIMICSR_BIN } from '../util/versions';
import { writeFileAtomic } from '../util/write-file';
import { preparationOf } from './experiment';
import type { JobState, Launcher, LaunchOptions, Task, TaskResources } from './launcher';
import { requireMaterial } from './material';
import { cellArguments, openRequest, type GridRequest, type OpenedRequest } from './request';
import { collectResults, knownResults } from './known-results';
import type { PlannedRun } from './plan';
import { openRuns } from './runner';
import { slurm } from './slurm';
import { fillGrid, type Table } from './table';
import { writeTable } from './table-files';

export interface SubmitOptions extends Pick<LaunchOptions, 'atOnce' | 'schedulerOptions'> {
  /** Default: Slurm. */
  readonly launcher?: Launcher;
  /** Where they differ from the profile's. */
  readonly resources?: Partial<TaskResources>;
}

/** How a run of a grid stands. */
export interface CellStatus {
  readonly run: PlannedRun;
  /** `ended`: by its job, without all its scores: killed, cancelled, or failed. */
  readonly state: 'finished' | JobState['phase'] | 'not submitted';
  /** The scheduler's words, where there is more to say. */
  readonly words: string;
  readonly job?: string;
  /** What its job printed. */
  readonly log?: string;
}

const jobSchema = z.strictObject({
  launcher: z.string(),
  job: z.string(),
  log: z.string(),
  submitted: z.string(),
});
type JobRecord = z.infer<typeof jobSchema>;

/**
 * Submits every run of a grid that is not finished and has no job that waits or runs: after a failure, the same call again.
 * @returns how all runs of the grid stand now
 * @throws InputError with all data sets and weights that the runs lack, and with the scheduler's words where it refuses
 */
export async function submitGrid(request: GridRequest, options: SubmitOptions = {}): Promise<CellStatus[]> {
  const { launcher = slurm } = options;
  const opened = openRequest(request);
  const launch = launchOptions(opened, options);
  const known = knownResults(opened.plan, opened.folders);
  requireMaterial(openRuns(opened.plan, known, opened.folders), known);
  mkdirSync(launch.logs, { recursive: true });
  return exclusively(
    join(launch.logs, 'lock'),
    async () => {
      const tasks = tasksOf(opened, await statusOf(opened, launcher));
      if (tasks.length > 0) {
        for (const { id, job, log } of await launcher.submit(tasks, launch)) {
          const record: JobRecord = {
            launcher: launcher.name,
            job,
            log,
            submitted: new Date().toISOString(),
          };
          writeFileAtomic(jobFile(opened, id), `${JSON.stringify(record, undefined, 2)}\n`);
        }
      }
      return statusOf(opened, launcher);
    },
    { waitMs: 60_000 },
  );
}

/** What `submitGrid` would hand to the scheduler, to read. */
export async function previewGrid(request: GridRequest, options: SubmitOptions = {}): Promise<string> {
  const { launcher = slurm } = options;
  const opened = openRequest(request);
  const tasks = tasksOf(opened, await statusOf(opened, launcher));
  return launcher.preview(tasks, launchOptions(opened, options));
}

/** How the runs of a grid stand. */
export async function gridStatus(request: GridRequest, launcher: Launcher = slurm): Promise<CellStatus[]> {
  return statusOf(openRequest(request), launcher);
}

/** Ends the jobs of a grid's runs, which keep their checkpoints. @returns the runs whose jobs were ended */
export async function cancelGrid(request: GridRequest, launcher: Launcher = slurm): Promise<CellStatus[]> {
  const live = (await gridStatus(request, launcher)).filter(isLive);
  await launcher.cancel(live.map(({ job }) => job!));
  return live;
}

/** A grid with what its runs have scored so far. */
export interface CollectedGrid extends OpenedRequest {
  readonly table: Table;
  /** The runs that are not finished. */
  readonly open: readonly PlannedRun[];
}

/** Merges the scores of the runs into the results file and writes the table, as far as it is. */
export async function collectGrid(request: GridRequest): Promise<CollectedGrid> {
  const opened = openRequest(request);
  const { grid, plan, folders } = opened;
  const results = await collectResults(plan, folders);
  const table = fillGrid(grid, results);
  writeTable(table, dirname(folders.results));
  return { ...opened, table, open: openRuns(plan, results, folders) };
}

function isLive({ state }: CellStatus): boolean {
  return state === 'waiting' || state === 'running';
}

async function statusOf(opened: OpenedRequest, launcher: Launcher): Promise<CellStatus[]> {
  const { plan, folders } = opened;
  const open = openRuns(plan, knownResults(plan, folders), folders);
  const records = new Map(open.flatMap((run) => jobOf(opened, run, launcher) ?? []));
  const states = await launcher.states([...records.values()].map(({ job }) => job));
  return plan.map((run): CellStatus => {
    if (!open.includes(run)) return { run, state: 'finished', words: '' };
    const record = records.get(run.id);
    if (record === undefined) return { run, state: 'not submitted', words: '' };
    const { job, log } = record;
    const { phase, words } = states.get(job) ?? { phase: 'ended', words: '' };
    return { run, state: phase, words, job, log };
  });
}

function jobFile({ folders }: OpenedRequest, id: string): string {
  return join(folders.runs, id, 'job.json');
}

function jobOf(
  opened: OpenedRequest,
  { id }: PlannedRun,
  launcher: Launcher,
): [[string, JobRecord]] | undefined {
  const path = jobFile(opened, id);
  if (!existsSync(path)) return undefined;
  const record = parseWith<JobRecord>(jobSchema, readJson(path), path);
  return record.launcher === launcher.name ? [[id, record]] : undefined;
}

/**
 * A task for each run that is neither finished nor in the scheduler's hands. Of runs that share a preparation the others would
 * wait for the first, which is right but holds GPUs that do nothing: they are handed over to come after it.
 */
function tasksOf({ request }: OpenedRequest, status: readonly CellStatus[]): Task[] {
  const first = new Map<string, string>();
  return status
    .filter((cell) => cell.state !== 'finished' && !isLive(cell))
    .map(({ run }): Task => {
      const preparation = run.experiment && preparationOf(run.experiment);
      const leader = preparation && first.get(preparation);
      if (preparation !== undefined && leader === undefined) first.set(preparation, run.id);
      return {
        id: run.id,
        arguments: [MIMICSR_BIN, ...cellArguments(request, run.id)],
        ...(leader === undefined ? {} : { after: leader }),
      };
    });
}

function launchOptions({ request, grid, folders }: OpenedRequest, options: SubmitOptions): LaunchOptions {
  const { resources, atOnce, schedulerOptions } = options;
  return {
    name: `mimicsr-${request.what}`,
    resources: { ...grid.profile.task, ...resources },
    ...(atOnce === undefined ? {} : { atOnce }),
    ...(schedulerOptions === undefined ? {} : { schedulerOptions }),
    folder: process.cwd(),
    logs: resolve(folders.runs, 'jobs'),
  };
}
