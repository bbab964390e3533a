/**
 * A training to watch: loss terms and learning rate, and a crop of a training pair as it is now (LR, the mimicked LR where
 * there is one, SR, HR), redrawn in place. Drawing takes at most a twentieth of the time.
 */
import { existsSync, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { imageOf } from '../data/pairs';
import { startEngine } from '../engine/engines';
import { experiment, runFolder } from '../experiments/experiment';
import { cropImage, type Image } from '../image/image';
import { busiestSquare, enlargePixels, montage, type Panel } from '../image/montage';
import { alignPair } from '../mimic/align-pair';
import { MimicModule } from '../mimic/module';
import { loadMimicModule } from '../mimic/trained-module';
import { upscale } from '../networks/upscale';
import { openPairs, train, type FinishedRun, type RunOptions, type Training } from '../train/run';
import type { TrainingConfig, TrainingSettings } from '../train/config';
import type { StepReport } from '../train/trainer';
import { runFiles } from '../util/run-files';
import { trainingCurve, type CurvePoint } from './charts';
import { interruptSignal, LiveOutput } from './kernel';
import { Picture } from './picture';
import { RUNS, shownPath } from './places';
import { StatusLine } from './status';

/** LR pixels a side of the crop that is shown. */
const SIDE = 48;
const SHARE = 20;
const LEAST_INTERVAL = 1500;

interface Outputs {
  readonly curve: LiveOutput;
  readonly crops: LiveOutput;
}

/** The live view of one training. */
class TrainingView {
  private readonly history: CurvePoint[];
  private pair?: Promise<{ readonly lr: Image; readonly hr: Image }>;
  private due = 0;

  constructor(
    private readonly training: Training,
    private readonly outputs: Outputs,
  ) {
    this.history = loggedCurve(training.folder);
  }

  async step(report: StepReport): Promise<void> {
    this.history.push(report);
    const { iterations } = this.training.config.recipe;
    if (Date.now() >= this.due || report.step === iterations) {
      const begin = Date.now();
      await this.draw();
      this.due = Date.now() + Math.max(LEAST_INTERVAL, SHARE * (Date.now() - begin));
    }
    // Interrupts and messages are taken in between two iterations.
    await setImmediate();
  }

  /** Draws the present state over the last one. */
  async draw(): Promise<void> {
    const { network, process } = this.training.config;
    await this.outputs.curve.update(trainingCurve(this.history, `${network.name}, ${process.name}`));
    await this.outputs.crops.update(await this.cropRow());
  }

  private async cropRow(): Promise<Picture> {
    const { network, helper, config } = this.training;
    const { lr, hr } = await (this.pair ??= cropOfPair(config));
    const panels: Panel[] = [{ image: enlargePixels(lr, 4), caption: 'LR' }];
    if (helper instanceof MimicModule && config.process.name === 'mimic') {
      const { mimicked } = await alignPair(lr, hr, {
        module: helper,
        config: config.process.options,
        seed: config.recipe.seed,
      });
      panels.push({ image: enlargePixels(mimicked, 4), caption: 'mimicked LR' });
    }
    panels.push({ image: await upscale(network, lr), caption: `SR, iteration ${this.history.at(-1)!.step}` });
    return new Picture(await montage([[...panels, { image: hr, caption: 'HR' }]]), 'LR, SR and HR');
  }
}

function newOutputs(): Outputs {
  return { curve: new LiveOutput(), crops: new LiveOutput() };
}

/** The crop with most detail of the first training pair. */
async function cropOfPair(config: TrainingConfig): Promise<{ lr: Image; hr: Image }> {
  const pair = await openPairs(config.data).load(0);
  const [lr, hr] = [imageOf(pair.lr), imageOf(pair.hr)];
  const side = Math.min(SIDE, lr.width, lr.height);
  const { left, top } = busiestSquare(lr, side);
  return {
    lr: cropImage(lr, left, top, side, side),
    hr: cropImage(hr, 4 * left, 4 * top, 4 * side, 4 * side),
  };
}

/** The curve so far of a run that is gone on with: its log, up to the last checkpoint. */
function loggedCurve(folder: string): CurvePoint[] {
  const { log } = runFiles(folder);
  if (!existsSync(log)) return [];
  return readFileSync(log, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as StepReport);
}

export interface LiveTrainingOptions extends Pick<RunOptions, 'workers'> {
  /** The run's folder. Default: one of its own below the kit's `runs`, by the configuration. */
  readonly folder?: string;
}

/**
 * Trains with a live view below the cell, or goes on where the run of this configuration stopped; a finished one is shown as
 * it ended. Interrupting the cell stops after the current iteration, with a checkpoint.
 * @returns the run; the caller disposes its network
 * @throws InputError, DivergedError as `train`
 */
export async function liveTraining(
  settings: TrainingSettings,
  { folder, ...options }: LiveTrainingOptions = {},
): Promise<FinishedRun> {
  const signal = interruptSignal();
  await startEngine();
  const planned = experiment(settings);
  const status = new StatusLine();
  const onStep = watchTrainings();
  const run = await train(folder ?? runFolder(RUNS, planned), settings, {
    ...options,
    signal,
    progress: status.progress,
    onStep,
  });
  const { iterations } = run.config.recipe;
  const speed = run.secondsPerStep > 0 ? `, ${run.secondsPerStep.toFixed(3)} s an iteration` : '';
  await status.end(
    run.step < iterations
      ? `stopped after ${run.step} of ${iterations} iterations${speed}, with a checkpoint: run the cell again to go on`
      : `${run.step} iterations done${speed}; run folder ${shownPath(run.folder)}`,
  );
  if (run.secondsPerStep === 0 && run.step > 0) await showFinished(run);
  return run;
}

/** The view of a run as it ended. */
async function showFinished({ folder, config, network }: FinishedRun): Promise<void> {
  const helper = config.process.name === 'mimic' ? loadMimicModule(folder).module : undefined;
  try {
    const training = { folder, config, network, ...(helper === undefined ? {} : { helper }) };
    await new TrainingView(training, newOutputs()).draw();
  } finally {
    helper?.dispose();
  }
}

/** A live view of each training that goes through it, one after the other in the same place. */
export function watchTrainings(): NonNullable<RunOptions['onStep']> {
  const outputs = newOutputs();
  let view: { readonly training: Training; readonly shown: TrainingView } | undefined;
  return (report, training) => {
    if (view?.training !== training) view = { training, shown: new TrainingView(training, outputs) };
    return view.shown.step(report);
  };
}
