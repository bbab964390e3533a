import { describe, expect, it } from 'vitest';
import { photograph } from '../../src/data/camera';
import { Movement } from '../../src/data/camera-geometry';
import type { CameraPresetName } from '../../src/data/camera-presets';
import { CAMERA_PRESETS, cameraPreset, drawCamera } from '../../src/data/camera-presets';
import { drawScene } from '../../src/data/scenes';
import { listImages, readImage } from '../../src/image/file';
import type { Image } from '../../src/image/image';
import { Random } from '../../src/util/random';
import { NO_SHARED, shared, SHARED } from '../shared';
import { colourGap, lengths, quantile, same, shrinkEncoded } from './measure';

/**
 * Measured on real pairs (LR pixels; CIE76 after a Gaussian blur of min(h, w) / 64): median and 90th percentile over
 * pairs of the pair's median flow, and of its colour gap. 100 RealSR test crops; 10 patches of one DCSR scene.
 */
const REAL = {
  'realsr-like': { flow: [0.09, 0.168], colour: [2.085, 3.718] },
  'srraw-like': { flow: [0.848, 1.443], colour: [7.574, 9.023] },
} as const;

const CALIBRATED = ['realsr-like', 'srraw-like'] as const;

/** Median and 90th percentile. */
function spread(values: readonly number[]): [number, number] {
  return [quantile(values, 0.5), quantile(values, 0.9)];
}

function expectWithin20Percent(measured: readonly number[], real: readonly number[], what: string): void {
  measured.forEach((value, i) => {
    const message = `${what}, ${i === 0 ? 'median' : '90th percentile'}: ${value.toFixed(3)} for ${real[i]}`;
    expect(value / real[i], message).toBeGreaterThan(0.8);
    expect(value / real[i], message).toBeLessThan(1.2);
  });
}

/** Colour gap between lr and the HR shrunk, of 36 shots of the pictures in turn. */
async function colourGaps(name: CameraPresetName, pictures: readonly Image[]): Promise<number[]> {
  const gaps: number[] = [];
  for (let i = 0; i < 36; i++) {
    const random = new Random('colour gap', i);
    const shot = await photograph(
      pictures[i % pictures.length],
      drawCamera(CAMERA_PRESETS[name], random),
      random,
    );
    gaps.push(colourGap(shot.lr, shrinkEncoded(shot.hr)));
  }
  return gaps;
}

/** Pictures of the size of the real crops, so that the gap's blur is that of the real pairs. */
let scenes: Image[] | undefined;

function someScenes(): Image[] {
  return (scenes ??= Array.from({ length: 12 }, (_, seed) => drawScene(seed, 512, 512)));
}

let photographs: Image[] | undefined;

async function somePhotographs(): Promise<Image[]> {
  const paths = listImages(shared('data/images/BSDS500-train')).filter((_, i) => i % 4 === 0);
  return (photographs ??= await Promise.all(paths.map(readImage)));
}

describe.each(CALIBRATED)('%s cameras', (name) => {
  it.each([
    [128, 128],
    [120, 80],
    [32, 32],
  ])('move LR pictures of %i x %i as far as real pairs are misaligned', (width, height) => {
    const medians = Array.from({ length: 120 }, (_, i) => {
      const random = new Random('flow', i);
      const { geometry } = drawCamera(CAMERA_PRESETS[name], random);
      return quantile(lengths(new Movement(geometry, width, height, random).trueFlow()), 0.5);
    });
    expectWithin20Percent(spread(medians), REAL[name].flow, 'median flow');
  });

  it('recolour scenes as much as real pairs differ', async () => {
    expectWithin20Percent(spread(await colourGaps(name, someScenes())), REAL[name].colour, 'colour gap');
  });

  it.skipIf(SHARED === undefined)(
    `recolour photographs as much as real pairs differ (${SHARED === undefined ? NO_SHARED : 'BSDS500'})`,
    async () => {
      const gaps = await colourGaps(name, await somePhotographs());
      expectWithin20Percent(spread(gaps), REAL[name].colour, 'colour gap');
    },
  );
});

describe('aligned cameras', () => {
  it('move nothing and recolour nothing: lr is the aligned picture', async () => {
    for (let seed = 0; seed < 5; seed++) {
      const random = new Random(seed);
      const shot = await photograph(
        drawScene(seed, 64, 64),
        drawCamera(CAMERA_PRESETS.aligned, random),
        random,
      );
      expect(shot.flow.data.every((v) => v === 0)).toBe(true);
      expect(same(shot.lr, shot.aligned)).toBe(true);
      expect(same(shot.lr, shot.clean)).toBe(false);
    }
  });

  it('degrade as realsr-like ones do', () => {
    const { blur, blurRoundness, shotNoise, readNoise, jpegQuality } = CAMERA_PRESETS['realsr-like'];
    expect(CAMERA_PRESETS.aligned).toMatchObject({ blur, blurRoundness, shotNoise, readNoise, jpegQuality });
  });
});

describe('drawing a camera', () => {
  it('gives the same settings for the same seed, and others for another', () => {
    const preset = CAMERA_PRESETS['srraw-like'];
    expect(drawCamera(preset, new Random(1))).toEqual(drawCamera(preset, new Random(1)));
    expect(drawCamera(preset, new Random(1))).not.toEqual(drawCamera(preset, new Random(2)));
  });

  it('moves by the size that is given in place of its own, where it moves at all', () => {
    expect(cameraPreset('srraw-like')).toBe(CAMERA_PRESETS['srraw-like']);
    expect(cameraPreset('srraw-like', 3)).toEqual({ ...CAMERA_PRESETS['srraw-like'], misalignment: [3, 3] });
    for (const still of ['aligned', 'srraw-colour', 'srraw-aligned'] as const)
      expect(() => cameraPreset(still, 3)).toThrow(/held still/);
  });

  it('never folds a picture of 32 x 32 LR pixels', () => {
    for (const preset of Object.values(CAMERA_PRESETS)) {
      for (let seed = 0; seed < 300; seed++) {
        const random = new Random(seed);
        const { geometry } = drawCamera(preset, random);
        expect(() => new Movement(geometry, 32, 32, random).trueFlow()).not.toThrow();
      }
    }
  });

  it('gives about one LR pixel of flow at size 1, whichever component has it', () => {
    for (const key of ['shift', 'rotation', 'zoom', 'distortion', 'parallax'] as const) {
      const movement = { shift: 0, rotation: 0, zoom: 0, distortion: 0, parallax: 0, [key]: 1 };
      const preset = { ...CAMERA_PRESETS['srraw-like'], misalignment: [1, 1] as const, movement };
      const sizes = Array.from({ length: 25 }, (_, seed) => {
        const random = new Random(seed);
        const { geometry } = drawCamera(preset, random);
        const flow = new Movement(geometry, 128, 96, random).trueFlow();
        return quantile(lengths(flow), key === 'distortion' ? 0.9 : 0.5);
      });
      expect(quantile(sizes, 0.5), key).toBeGreaterThan(0.8);
      expect(quantile(sizes, 0.5), key).toBeLessThan(1.2);
    }
  });
});
