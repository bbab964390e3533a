import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { LaunchOptions, Task } from '../../src/experiments/launcher';
import { arrayOptions, arrayScript, parseStates, slurm, submittedJob } from '../../src/experiments/slurm';

const options: LaunchOptions = {
  name: 'mimicsr-table2',
  resources: { gpus: 1, cpus: 8, memoryGiB: 32, minutes: 480 },
  schedulerOptions: ['partition=gpu', 'exclusive'],
  folder: '/home/me/kit',
  logs: '/home/me/100% runs/jobs',
};
const say = (text: string): string[] => [
  '-e',
  `console.log(${JSON.stringify(text)}, process.env.MIMICSR_THREADS)`,
];
const tasks: Task[] = [
  { id: 'a', arguments: say("it's a") },
  { id: 'b', arguments: say('b $HOME `x` "q"') },
];

function runScript(script: string, index: string): ReturnType<typeof spawnSync> {
  const env = { ...process.env, SLURM_ARRAY_TASK_ID: index, SLURM_CPUS_PER_TASK: '3' };
  return spawnSync('bash', { input: script, env, encoding: 'utf8' });
}

describe('The Slurm launcher', () => {
  it("asks sbatch for the task's resources, and for the scheduler's own options", () => {
    expect(arrayOptions(tasks, { ...options, atOnce: 4 })).toEqual(
      expect.arrayContaining([
        '--array=0-1%4',
        '--cpus-per-task=8',
        '--mem=32G',
        '--gres=gpu:1',
        '--time=480',
        '--requeue',
        '--open-mode=append',
        '--output=/home/me/100%% runs/jobs/%A_%a.log',
        '--partition=gpu',
        '--exclusive',
      ]),
    );
    const cpu = arrayOptions(tasks, { ...options, resources: { ...options.resources, gpus: 0 } });
    expect(cpu).toContain('--array=0-1');
    expect(cpu.filter((option) => option.startsWith('--gres'))).toEqual([]);
  });

  it('refuses a time limit that would leave nothing but warnings', () => {
    const short = { ...options, resources: { ...options.resources, minutes: 9 } };
    expect(() => arrayOptions(tasks, short)).toThrow(/expected 10 minutes or more, found 9/);
  });

  it('writes a script that runs the task of its index, whatever is in its words', () => {
    const script = arrayScript(tasks);
    expect(runScript(script, '0').stdout).toBe("it's a 3\n");
    expect(runScript(script, '1').stdout).toBe('b $HOME `x` "q" 3\n');
  });

  it("ends with the run's exit code", () => {
    const script = arrayScript([{ id: 'a', arguments: ['-e', 'process.exit(7)'] }]);
    expect(runScript(script, '0').status).toBe(7);
  });

  it('lets runs that share a preparation wait for the first of them, in an array of their own', () => {
    const text = slurm.preview([...tasks, { id: 'c', arguments: say('c'), after: 'b' }], options);
    const [first, second] = text.split('sbatch').slice(1);
    expect(first).toContain('--array=0-1 ');
    expect(first).not.toContain('afterany');
    expect(second).toContain('--array=0-0 ');
    expect(second).toContain('afterany:(b)');
  });

  it('reads the number of a job', () => {
    expect(submittedJob('1234\n')).toBe('1234');
    expect(submittedJob('1234;cluster\n')).toBe('1234');
    expect(() => submittedJob('Submitted batch job')).toThrow(/expected the number of a job/);
  });

  it('reads states as squeue and sacct print them', () => {
    const states = parseStates(
      '17_0|RUNNING|None\n17_1|PENDING|Dependency\n17_2|COMPLETING|None\n17_3|FAILED|NonZeroExitCode\n' +
        '18_0|CANCELLED by 1000\n18_1|OUT_OF_MEMORY\n18_[2-9%4]|PENDING\n19|RUNNING\n\n',
    );
    expect(Object.fromEntries(states)).toEqual({
      '17_0': { phase: 'running', words: 'RUNNING' },
      '17_1': { phase: 'waiting', words: 'PENDING: Dependency' },
      '17_2': { phase: 'running', words: 'COMPLETING' },
      '17_3': { phase: 'ended', words: 'FAILED: NonZeroExitCode' },
      '18_0': { phase: 'ended', words: 'CANCELLED by 1000' },
      '18_1': { phase: 'ended', words: 'OUT_OF_MEMORY' },
    });
  });
});
