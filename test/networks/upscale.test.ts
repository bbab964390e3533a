import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawScene } from '../../src/data/scenes';
import { blankImage } from '../../src/image/image';
import { SeeMoRe } from '../../src/networks/seemore';
import { SrNetwork } from '../../src/networks/sr-network';
import { upscale } from '../../src/networks/upscale';
import { Conv2d } from '../../src/nn/layers';
import { pixelShuffle } from '../../src/ops/pixel-shuffle';
import { Random } from '../../src/util/random';
import { leavesNoTensors, startTestEngine } from '../engines';

/** Sees 3 pixels around each: what its tiles give can be compared exactly. */
class Local extends SrNetwork {
  readonly scale = 2;
  readonly minimumSize = 1;
  private readonly conv = this.child('conv', new Conv2d(3, 12, 7, { padding: 3 }));

  /** The modes in which it ran. */
  readonly modes: unknown[] = [];

  forward(lr: tf.Tensor4D): tf.Tensor4D {
    this.modes.push([this.training, this.random]);
    return pixelShuffle(this.conv.forward(lr), 2);
  }
}

describe('upscaling in tiles', () => {
  const local = new Local();
  const picture = drawScene(1, 150, 101);

  beforeAll(async () => {
    await startTestEngine();
    local.initialise(1);
  });
  afterAll(() => local.dispose());

  it('gives the picture of one piece where the network sees less than a quarter of the overlap', async () => {
    await leavesNoTensors(async () => {
      const whole = await upscale(local, picture);
      expect([whole.width, whole.height]).toEqual([300, 202]);
      const counts: string[] = [];
      const tiled = await upscale(local, picture, {
        tile: 64,
        overlap: 32,
        onTile: (d, t) => counts.push(`${d}/${t}`),
      });
      whole.data.forEach((v, i) => expect(Math.abs(tiled.data[i] - v)).toBeLessThan(1e-6));
      expect(counts.at(-1)).toBe('12/12');
    });
  });

  it('runs in test mode, and leaves a network in the mode in which it was', async () => {
    const random = new Random(1);
    const modes: [boolean, Random | undefined][] = [
      [true, random],
      [false, undefined],
    ];
    for (const mode of modes) {
      local.train(...mode);
      local.modes.length = 0;
      await upscale(local, picture, { tile: 96 });
      tf.tidy(() => local.forward(tf.zeros([1, 8, 8, 3])));
      expect(local.modes.at(-1)).toEqual(mode);
      expect(local.modes.slice(0, -1)).toEqual(local.modes.slice(1).map(() => [false, undefined]));
    }
  });

  it('leaves no seam with a network that looks further', async () => {
    const net = new SeeMoRe().initialise(2);
    const whole = await upscale(net, picture);
    const tiled = await upscale(net, picture, { tile: 96, overlap: 32 });
    // Second differences across the first overlap's borders are no larger than elsewhere.
    const bend = (x: number): number => {
      let sum = 0;
      for (let y = 0; y < tiled.height; y++) {
        const at = (dx: number): number =>
          tiled.data[(y * tiled.width + x + dx) * 3] - whole.data[(y * tiled.width + x + dx) * 3];
        sum += Math.abs(at(1) - 2 * at(0) + at(-1));
      }
      return sum / tiled.height;
    };
    const all = Array.from({ length: tiled.width - 2 }, (_, i) => bend(i + 1)).sort((a, b) => a - b);
    for (const x of [64 * 4, 96 * 4]) expect(bend(x)).toBeLessThanOrEqual(all[Math.floor(all.length * 0.99)]);
    net.dispose();
  });

  it('refuses a picture below the minimum, a tile off the grid, and weights that give no numbers', async () => {
    const net = new SeeMoRe().initialise(2);
    await expect(upscale(net, blankImage(40, 12), { label: 'strip.png' })).rejects.toThrow(
      'strip.png is 40x12: the network needs at least 16x16',
    );
    await expect(upscale(net, picture, { tile: 100 })).rejects.toThrow('tile 100 with overlap 32');
    net.dispose();
    const broken = new Local().initialise(1);
    [...broken.namedParameters()][0][1].load(new Float32Array(12 * 3 * 49).fill(Infinity));
    broken.train(true);
    await leavesNoTensors(async () => {
      await expect(upscale(broken, picture)).rejects.toThrow('not finite');
    });
    tf.tidy(() => broken.forward(tf.zeros([1, 8, 8, 3])));
    expect(broken.modes).toEqual([
      [false, undefined],
      [true, undefined],
    ]);
    broken.dispose();
  });
});
