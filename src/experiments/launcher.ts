/**
 * What the kit needs of a scheduler: to take over processes, to say how they stand, to end them. Each task is the command line
 * of one run (`cellArguments`), complete in itself: it needs no other task's message, resumes by itself when it is started
 * again, and keeps away from others by locks in its folders. `docs/clusters.md` says how to write one for another scheduler.
 */

/** What one run gets. */
export interface TaskResources {
  readonly gpus: number;
  /** Cores; the run's threads. */
  readonly cpus: number;
  readonly memoryGiB: number;
  /** Until a task must end or, where the scheduler can, is queued again to go on. */
  readonly minutes: number;
}

export interface Task {
  readonly id: string;
  /** Arguments of node. */
  readonly arguments: readonly string[];
  /** Another task of the same submission, after whose end, good or bad, this one had better begin. */
  readonly after?: string;
}

export interface LaunchOptions {
  /** Shown by the scheduler. */
  readonly name: string;
  readonly resources: TaskResources;
  /** Tasks that may run at a time. Default: as many as fit. */
  readonly atOnce?: number;
  /** The scheduler's own options, as NAME or NAME=VALUE. */
  readonly schedulerOptions?: readonly string[];
  /** Where the tasks run; absolute. */
  readonly folder: string;
  /** Folder of their logs; absolute, there. */
  readonly logs: string;
}

export interface LaunchedTask {
  readonly id: string;
  /** The scheduler's name of it. */
  readonly job: string;
  /** File with what it prints. */
  readonly log: string;
}

export interface JobState {
  readonly phase: 'waiting' | 'running' | 'ended';
  /** As the scheduler says it. */
  readonly words: string;
}

export interface Launcher {
  readonly name: string;
  /** What `submit` would hand over, to read. */
  preview(tasks: readonly Task[], options: LaunchOptions): string;
  /** @throws InputError with the scheduler's words where it refuses */
  submit(tasks: readonly Task[], options: LaunchOptions): Promise<LaunchedTask[]>;
  /** By job; a job that the scheduler no longer knows is left out. */
  states(jobs: readonly string[]): Promise<ReadonlyMap<string, JobState>>;
  /** Ends jobs, whether or not they have begun. */
  cancel(jobs: readonly string[]): Promise<void>;
}
