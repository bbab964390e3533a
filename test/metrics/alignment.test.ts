import { describe, expect, it } from 'vitest';
import { photograph } from '../../src/data/camera';
import { cameraOptions } from '../../src/data/camera-options';
import { drawScene } from '../../src/data/scenes';
import { blankImage, type Image } from '../../src/image/image';
import { imresize } from '../../src/image/resize';
import {
  colourError,
  endPointError,
  pixelError,
  reduction,
  shownMisalignment,
  staysInside,
} from '../../src/metrics/alignment';
import { noiseLevel, spectrum, spectrumDistance } from '../../src/metrics/degradation-fidelity';
import { register } from '../../src/metrics/registration';
import { InputError } from '../../src/util/errors';
import { Random } from '../../src/util/random';

const hr = drawScene('alignment', 384, 320);
const shot = (geometry: object, colour: object = {}, noise = 0): ReturnType<typeof photograph> =>
  photograph(
    hr,
    cameraOptions({
      geometry,
      colour,
      blur: { major: 0.4, minor: 0.4, angle: 0 },
      noise: { shot: 0, read: noise },
    }),
    new Random(1, 'alignment'),
  );

function filled(width: number, height: number, values: readonly number[]): Image {
  const image = blankImage(width, height, values.length);
  image.data.forEach((_, i) => (image.data[i] = values[i % values.length]));
  return image;
}

describe('Geometry', () => {
  it('end-point error is the mean length of the difference, inside alone', () => {
    const [still, moved] = [filled(8, 6, [0, 0]), filled(8, 6, [3, 4])];
    expect(endPointError(still, moved)).toBe(5);
    expect(staysInside(moved).data.reduce((a, b) => a + b)).toBe((8 - 3) * (6 - 4));
    expect(endPointError(still, filled(8, 6, [99, 0]))).toBeNaN();
    expect(() => endPointError(still, filled(6, 8, [0, 0]))).toThrow(InputError);
  });

  it.each([
    [0, 0],
    [0.4, -0.3],
    [2, 1.5],
  ])(
    'registration reads a camera shift of (%f, %f) LR pixels, through another colour and noise',
    async (x, y) => {
      const { lr, aligned, flow } = await shot({ shiftX: x, shiftY: y }, { exposure: 0.3, red: 0.1 }, 0.003);
      const found = register(aligned, lr);
      const slack = 0.05 + 0.03 * Math.hypot(x, y);
      expect(endPointError(found.flow, flow, found.textured)).toBeLessThan(slack);
      const shown = shownMisalignment(lr, aligned);
      expect(Math.abs(shown - Math.hypot(x, y))).toBeLessThan(slack);
    },
  );

  it('registration refuses pictures of different sizes', () => {
    expect(() => register(blankImage(20, 20), blankImage(21, 20))).toThrow(/expected equal sizes/);
  });
});

describe('Colour and pixels', () => {
  it('colour error is zero for the same colours, also where they moved a little, and grows with the change', async () => {
    const [still, moved, warm] = [await shot({}), await shot({ shiftX: 0.5 }), await shot({}, { red: 0.3 })];
    expect(colourError(still.lr, still.aligned)).toBeLessThan(0.3);
    expect(colourError(warm.lr, warm.aligned)).toBeGreaterThan(3);
    expect(colourError(moved.lr, moved.aligned)).toBeLessThan(colourError(warm.lr, warm.aligned) / 2);
  });

  it('pixel errors are means over channels and the pixels that count, in grey levels', () => {
    const [a, b] = [filled(4, 4, [0, 0, 0]), filled(4, 4, [0.1, 0.2, 0.6])];
    const { map, absolute, squared } = pixelError(a, b);
    expect(map.data[0]).toBeCloseTo(0.3, 6);
    expect(absolute).toBeCloseTo(0.3 * 255, 4);
    expect(squared).toBeCloseTo((255 ** 2 * (0.01 + 0.04 + 0.36)) / 3, 2);
    expect(reduction(25, 100)).toBe(75);
    const left = filled(4, 4, [0, 0, 0]);
    left.data.fill(1, 24); // the lower half, which does not count, is far off
    const mask = { ...blankImage(4, 4, 1), data: new Float32Array(16).fill(1, 0, 8) };
    const upper = pixelError(left, b, mask);
    expect(upper.absolute).toBeCloseTo(0.3 * 255, 4);
    expect([...upper.map.data.subarray(8)]).toEqual([...new Float32Array(8)]);
  });
});

describe('Degradation fidelity', () => {
  const small = imresize(hr, 1 / 4);

  it.each([1, 2, 4])('reads a noise of %i grey levels in each channel, as luma has it', (levels) => {
    const random = new Random(7, 'noise');
    const slope = blankImage(96, 96);
    slope.data.forEach((_, i) => {
      slope.data[i] = 0.3 + 0.4 * ((Math.floor(i / 3) % 96) / 96) + (levels / 255) * random.normal();
    });
    const luma = levels * Math.hypot(0.299, 0.587, 0.114);
    expect(Math.abs(noiseLevel(slope) / luma - 1)).toBeLessThan(0.1);
  });

  it('the spectrum of white noise is flat, its height the variance', () => {
    const random = new Random(3, 'white');
    const white = blankImage(128, 128);
    for (let i = 0; i < white.data.length; i += 3)
      white.data.fill(0.5 + (10 / 255) * random.normal(), i, i + 3);
    for (const power of spectrum(white)) expect(Math.abs(power / 100 - 1)).toBeLessThan(0.15);
  });

  it('the distance is 0 dB to itself, and 20 log10 of a gain', () => {
    expect(spectrumDistance(small, small)).toBe(0);
    const half = { ...small, data: small.data.map((v) => v / 2) };
    expect(spectrumDistance(half, small)).toBeCloseTo(20 * Math.log10(2), 4);
  });

  it('says how large a picture must be', () => {
    expect(() => spectrum(blankImage(31, 64))).toThrow(/at least 32x32 pixels, found 31x64/);
    expect(() => noiseLevel(blankImage(20, 64))).toThrow(/at least 26x26 pixels, found 20x64/);
  });
});
