/**
 * Slurm: a submission is a job array, one run a task; runs that had better wait for others are a second array that depends on
 * them. A task may be killed, preempted and queued again at any time. Some minutes before its time limit Slurm warns it: it
 * stops with a checkpoint and queues itself again, so that a run may take longer than a partition allows.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { InputError } from '../util/errors';
import type { JobState, LaunchedTask, Launcher, LaunchOptions, Task } from './launcher';

/** Seconds before the time limit of the warning; Slurm may be a minute late. */
const WARNING = 300;
/** Of which the run has so many to write its checkpoint. */
const PATIENCE = 180;
/** A shorter time limit would leave nothing but warnings. */
const MIN_MINUTES = 10;

export const slurm: Launcher = {
  name: 'slurm',

  preview(tasks, options) {
    return arrays(tasks)
      .map(({ members, leaders }) => {
        const waits = leaders.length === 0 ? [] : [`--dependency=afterany:(${leaders.join(' ')})`];
        const command = ['sbatch', ...arrayOptions(members, options), ...waits].map(quoted).join(' ');
        return `${command} <<'SCRIPT'\n${arrayScript(members)}SCRIPT\n`;
      })
      .join('\n');
  },

  async submit(tasks, options) {
    const launched = new Map<string, LaunchedTask>();
    for (const { members, leaders } of arrays(tasks)) {
      const jobs = leaders.map((id) => launched.get(id)!.job);
      const waits = jobs.length === 0 ? [] : [`--dependency=afterany:${jobs.join(':')}`];
      const args = ['--parsable', ...arrayOptions(members, options), ...waits];
      const array = submittedJob(await slurmCommand('sbatch', args, arrayScript(members)));
      for (const [i, { id }] of members.entries()) {
        const job = `${array}_${i}`;
        launched.set(id, { id, job, log: join(options.logs, `${job}.log`) });
      }
    }
    return [...launched.values()];
  },

  async states(jobs) {
    if (jobs.length === 0) return new Map();
    const arrays = [...new Set(jobs.map((job) => job.split('_')[0]))].join(',');
    const queued = parseStates(await queue(arrays));
    const past = jobs.every((job) => queued.has(job)) ? '' : await accounting(arrays);
    const all = new Map([...parseStates(past), ...queued]);
    return new Map([...all].filter(([job]) => jobs.includes(job)));
  },

  async cancel(jobs) {
    if (jobs.length > 0) await slurmCommand('scancel', jobs);
  },
};

/** Tasks that wait for none, and those that wait for some of them. */
function arrays(tasks: readonly Task[]): { readonly members: Task[]; readonly leaders: string[] }[] {
  const waiting = tasks.filter(({ after }) => after !== undefined);
  return [
    { members: tasks.filter((task) => !waiting.includes(task)), leaders: [] },
    { members: waiting, leaders: [...new Set(waiting.map(({ after }) => after!))] },
  ].filter(({ members }) => members.length > 0);
}

/** Options of sbatch, on its command line: nothing there needs quoting. */
export function arrayOptions(tasks: readonly Task[], options: LaunchOptions): string[] {
  const { name, resources, atOnce, schedulerOptions = [], folder, logs } = options;
  const { gpus, cpus, memoryGiB, minutes } = resources;
  if (minutes < MIN_MINUTES) {
    throw new InputError(`time limit: expected ${MIN_MINUTES} minutes or more, found ${minutes}`);
  }
  return [
    `--job-name=${name}`,
    `--array=0-${tasks.length - 1}${atOnce === undefined ? '' : `%${atOnce}`}`,
    `--cpus-per-task=${cpus}`,
    `--mem=${memoryGiB}G`,
    ...(gpus === 0 ? [] : [`--gres=gpu:${gpus}`]),
    `--time=${minutes}`,
    `--signal=B:USR1@${WARNING}`,
    '--requeue',
    '--open-mode=append',
    `--chdir=${folder}`,
    `--output=${logs.replaceAll('%', '%%')}/%A_%a.log`,
    ...schedulerOptions.map((option) => `--${option}`),
  ];
}

/** The batch script of an array. */
export function arrayScript(tasks: readonly Task[]): string {
  const cases = tasks.map(({ arguments: args }, i) => `  ${i}) set -- ${args.map(quoted).join(' ')} ;;`);
  return `#!/bin/bash
case "$SLURM_ARRAY_TASK_ID" in
${cases.join('\n')}
esac
export MIMICSR_THREADS="$SLURM_CPUS_PER_TASK"

# Before the time limit: stop with a checkpoint and queue again, to go on from there.
again() {
  kill -TERM "$run"
  for _ in {1..${PATIENCE}}; do kill -0 "$run" 2>/dev/null || break; sleep 1; done
  scontrol requeue "$SLURM_JOB_ID"
}
trap again USR1
trap : TERM # Slurm tells the run itself

${quoted(process.execPath)} "$@" &
run=$!
wait "$run"
code=$?
while kill -0 "$run" 2>/dev/null; do # a signal ended the waiting, not the run
  wait "$run"
  code=$?
done
exit "$code"
`;
}

/** The job's number in what `sbatch --parsable` prints: "17", or "17;cluster". */
export function submittedJob(printed: string): string {
  const job = /^(\d+)(;.*)?$/m.exec(printed)?.[1];
  if (job === undefined) throw new InputError(`sbatch: expected the number of a job, found '${printed}'`);
  return job;
}

const WAITING = ['PENDING', 'REQUEUED', 'REQUEUE_FED', 'REQUEUE_HOLD', 'RESV_DEL_HOLD', 'SPECIAL_EXIT'];
const RUNNING = ['CONFIGURING', 'RUNNING', 'COMPLETING', 'SIGNALING', 'STAGE_OUT', 'STOPPED', 'SUSPENDED'];

/** By task of an array, lines "17_0|PENDING|Resources" of squeue, or "17_0|CANCELLED by 1000" of sacct. */
export function parseStates(lines: string): Map<string, JobState> {
  const states = new Map<string, JobState>();
  for (const line of lines.split('\n')) {
    const [job, state, reason = 'None'] = line.trim().split('|');
    if (!/^\d+_\d+$/.test(job)) continue; // an empty line, or "17_[3-9]" of sacct, which squeue lists one by one
    const [word] = state.split(' ');
    const phase = WAITING.includes(word) ? 'waiting' : RUNNING.includes(word) ? 'running' : 'ended';
    states.set(job, { phase, words: reason === 'None' ? state : `${state}: ${reason}` });
  }
  return states;
}

async function queue(arrays: string): Promise<string> {
  try {
    return await slurmCommand('squeue', [
      '--noheader',
      '--array',
      '--states=all',
      '--format=%i|%T|%r',
      `--jobs=${arrays}`,
    ]);
  } catch (error) {
    if (/Invalid job id/i.test((error as Error).message)) return ''; // all of them ended a while ago
    throw error;
  }
}

/** What squeue has forgotten, minutes after its end; nothing where the cluster keeps no accounts. */
async function accounting(arrays: string): Promise<string> {
  const args = ['--noheader', '--parsable2', '--allocations', '--format=JobID,State', `--jobs=${arrays}`];
  return slurmCommand('sacct', args).catch(() => '');
}

async function slurmCommand(name: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(name, args, { encoding: 'utf8' }, (error, out, err) => {
      if (error === null) resolve(out);
      else if (error.code === 'ENOENT')
        reject(new InputError(`${name}: not found: expected a machine with the commands of Slurm`));
      else reject(new InputError(`${name}: ${err.trim() || error.message}`));
    });
    child.stdin?.on('error', () => undefined); // a command that ended early says why by itself
    child.stdin?.end(input);
  });
}

/** A word of a shell. */
function quoted(word: string): string {
  return /^[\w./:=@,%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
