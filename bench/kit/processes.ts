/**
 * One training step of an SR network with each process, on patches of the simulated camera (batch 8, LR 32x32), helper
 * networks and their optimisers included; the loader's own work, which its threads do meanwhile, is not. Case:
 * NETWORK:PROCESS, or NETWORK:pseudo-gt/STAGE for a training that comes before. What a process trains and uses beside the
 * SR network goes to standard error.
 */
import { METHODS, type MethodName } from '../../src/experiments/methods';
import { cameraPairs, scenePhotos } from '../../src/data/camera-pairs';
import { PairLoader } from '../../src/data/loader';
import { createNetwork } from '../../src/networks/networks';
import { trainingConfig } from '../../src/train/config';
import { createProcess } from '../../src/train/processes';
import { processTrainer, stageTrainer } from '../../src/train/trainer';
import { serve, type Run } from './serve';

const SHAPE = { patch: 32, batch: 8 };

function stepOf(kind: string): Run {
  const [networkName, method] = kind.split(':');
  const [name, stageName] = method.split('/');
  const { network, process, recipe } = trainingConfig({
    network: { name: networkName },
    process: METHODS[name as MethodName].process({
      weights: 'at hand',
      pseudoGt: { patch: SHAPE.patch, batch: SHAPE.batch },
    }),
    data: { kind: 'scenes', preset: 'srraw-like', count: 2 },
    recipe: SHAPE,
  });
  const sr = createNetwork(network.name).initialise(1);
  const made = createProcess(process, recipe);
  const { noise, degradation } = made;
  const pairs = cameraPairs(scenePhotos(2, 0), 'srraw-like', 0);
  const loader = new PairLoader(pairs, { ...SHAPE, seed: 1, scale: sr.scale, noise, degradation });
  const batch = loader.batch(1);
  const always = { batch: () => batch };
  const stage = made.preparation?.stages.find((s) => s.name === stageName);
  const trainer =
    stage === undefined
      ? processTrainer(sr, made, always, recipe)
      : stageTrainer(stage, always, sr.scale, recipe);
  const values = Object.entries(made.frozen).map(([key, frozen]) => [key, frozen.valueCount()]);
  globalThis.process.stderr.write(
    `${kind}: trains ${JSON.stringify(made.trained)}, uses ${JSON.stringify(Object.fromEntries(values))}\n`,
  );
  let step = 0;
  return async () => void (await trainer.step(++step));
}

void serve({ [process.argv[2]]: () => stepOf(process.argv[2]) });
