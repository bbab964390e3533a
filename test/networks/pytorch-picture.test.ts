/** A .pth file that PyTorch wrote makes the same picture in PyTorch (bench/peers) and in the kit. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageOf } from '../../src/data/pairs';
import { createNetwork, NETWORK_NAMES } from '../../src/networks/networks';
import { upscale } from '../../src/networks/upscale';
import { permute } from '../../src/nn/parameter';
import { Random } from '../../src/util/random';
import { readWeights } from '../../src/weights/load';
import { leavesNoTensors, startTestEngine, TEST_ENGINE } from '../engines';
import { NO_PYTHON, PYTHON } from '../weights/python-torch';

const REFERENCE = join(__dirname, '../../bench/peers/reference.py');
/** Neither fills SwinIR's and DAT's windows. */
const [HEIGHT, WIDTH] = [27, 38];

describe.skipIf(PYTHON === undefined)(
  `A PyTorch file of each network on ${TEST_ENGINE}${PYTHON === undefined ? ` (${NO_PYTHON})` : ''}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'mimicsr-picture-'));
    const random = new Random(7);
    const data = Uint8Array.from({ length: HEIGHT * WIDTH * 3 }, () => random.integer(0, 255));
    const lr = imageOf({ width: WIDTH, height: HEIGHT, data });
    const file = join(folder, 'lr.f32');

    beforeAll(async () => {
      await startTestEngine();
      const planes = permute(Float32Array.from(lr.data), [1, HEIGHT, WIDTH, 3], [0, 3, 1, 2]);
      writeFileSync(file, new Uint8Array(planes.buffer));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    it.each(NETWORK_NAMES)('%s: the same picture to 1e-5 on average, 1/255 everywhere', async (name) => {
      const args = [REFERENCE, name, file, String(HEIGHT), String(WIDTH), folder];
      const { status, stderr } = spawnSync(PYTHON!, args, { encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      const bytes = readFileSync(join(folder, `${name}.f32`));
      const planes = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      const expected = permute(planes, [1, 3, 4 * HEIGHT, 4 * WIDTH], [0, 2, 3, 1]);
      const network = createNetwork(name)
        .loadStateDict(readWeights(join(folder, `${name}.pth`)), name)
        .train(false);
      const { data } = await leavesNoTensors(() => upscale(network, lr));
      network.dispose();
      const errors = Array.from(data, (value, i) => Math.abs(value - expected[i]));
      expect(errors.reduce((sum, e) => sum + e, 0) / errors.length).toBeLessThanOrEqual(1e-5);
      expect(errors.reduce((most, e) => Math.max(most, e), 0)).toBeLessThanOrEqual(1 / 255);
      expect(new Set(data).size).toBeGreaterThan(1000); // a picture, not a constant
    });
  },
);
