/**
 * A process of its own that times one engine, which MIMICSR_ENGINE pins: iterations of a training with L1 on drawn scenes, and
 * one picture upscaled. Prints an `EngineTimes` as JSON. `engineSpeeds` starts it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drawScene } from '../data/scenes';
import { upscale } from '../networks/upscale';
import { train } from '../train/run';

export interface StepSettings {
  readonly network: string;
  /** LR pixels. */
  readonly patch: number;
  readonly batch: number;
  /** Iterations that count; one before them does not. */
  readonly iterations: number;
}

export interface EngineTimes {
  /** Median of the iterations, seconds. */
  readonly step: number;
  /** One picture of 120x80, seconds. */
  readonly upscale: number;
}

async function measure({ network: name, patch, batch, iterations }: StepSettings): Promise<EngineTimes> {
  const folder = mkdtempSync(join(tmpdir(), 'mimicsr-speed-'));
  try {
    let last = Date.now();
    const times: number[] = [];
    const { network } = await train(
      folder,
      {
        network: { name },
        process: { name: 'l1' },
        data: { kind: 'scenes', preset: 'aligned', count: 2 },
        recipe: { iterations: iterations + 1, patch, batch },
      },
      {
        onStep: () => {
          times.push(Date.now() - last);
          last = Date.now();
        },
      },
    );
    const picture = drawScene(1, 120, 80);
    await upscale(network, picture);
    const begin = Date.now();
    await upscale(network, picture);
    const seconds = (Date.now() - begin) / 1000;
    network.dispose();
    const sorted = times.slice(1).sort((a, b) => a - b);
    return { step: sorted[Math.floor(sorted.length / 2)] / 1000, upscale: seconds };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (require.main === module) {
  measure(JSON.parse(process.argv[2]) as StepSettings).then(
    (times) => process.stdout.write(`${JSON.stringify(times)}\n`),
    (error: Error) => {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    },
  );
}
