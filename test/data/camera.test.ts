import { describe, expect, it } from 'vitest';
import { photograph } from '../../src/data/camera';
import { applyColourChange } from '../../src/data/camera-colour';
import type { CameraGeometry, CameraSettings, ColourChange } from '../../src/data/camera-options';
import { cameraOptions, NEUTRAL_COLOUR } from '../../src/data/camera-options';
import { drawScene } from '../../src/data/scenes';
import { linearToSrgb, srgbToLinear } from '../../src/image/colour';
import type { Image } from '../../src/image/image';
import { blankImage } from '../../src/image/image';
import { InputError } from '../../src/util/errors';
import { Random } from '../../src/util/random';
import { lengths, psnr, quantile, same, warped } from './measure';

const HR = drawScene('camera', 256, 192);

/** Every component of the geometry alone, and all together. */
const MOVEMENTS: [string, Partial<CameraGeometry>][] = [
  ['a shift to the right', { shiftX: 1.3 }],
  ['a shift upwards', { shiftY: -2.6 }],
  ['a rotation', { rotation: 2.5 }],
  ['a zoom', { zoom: -2 }],
  ['a radial distortion', { distortion: 2 }],
  ['parallax', { parallax: 1, parallaxSpacing: 20 }],
  [
    'all together',
    { shiftX: 0.8, shiftY: 0.5, rotation: 1, zoom: 1, distortion: -1, parallax: 0.5, parallaxSpacing: 24 },
  ],
];

function flat(width: number, height: number, linear: number): Image {
  const image = blankImage(width, height);
  image.data.fill(linearToSrgb(linear));
  return image;
}

describe('the true flow', () => {
  it.each(MOVEMENTS)('of %s carries lr onto the aligned picture', async (_, geometry) => {
    // Blur keeps what aliases out of lr, so that lr may be resampled at all.
    const shot = await photograph(HR, { geometry, blur: { major: 0.6, minor: 0.6 } }, new Random(1));
    const before = psnr(shot.lr, shot.aligned, 6);
    const after = psnr(warped(shot.lr, shot.flow), shot.aligned, 6);
    expect(after).toBeGreaterThan(38);
    expect(after - before).toBeGreaterThan(12);
    const wrongWay = { ...shot.flow, data: shot.flow.data.map((v) => -v) };
    expect(psnr(warped(shot.lr, wrongWay), shot.aligned, 6)).toBeLessThan(before);
  });

  it.each(MOVEMENTS)('of %s says where a dot goes, to a thousandth of a pixel', async (_, geometry) => {
    for (const [x, y] of [
      [12, 9],
      [31.5, 23.5],
      [47.25, 38.4],
    ]) {
      // The dot is small, so that it moves as a point does; the blur behind it makes its middle readable in LR.
      const dot = dotAt(4 * x + 1.5, 4 * y + 1.5, 1.2);
      const shot = await photograph(dot, { geometry, blur: { major: 0.6, minor: 0.6 } }, new Random(2));
      const seen = centroid(shot.lr);
      const [u, v] = bilinear(shot.flow, x, y);
      expect(Math.abs(seen.x - (x + u))).toBeLessThan(2e-3);
      expect(Math.abs(seen.y - (y + v))).toBeLessThan(2e-3);
      expect(centroid(shot.aligned).x).toBeCloseTo(x, 3);
      expect(centroid(shot.aligned).y).toBeCloseTo(y, 3);
    }
  });

  it('of a shift is that shift everywhere, towards where the content went', async () => {
    const { lr, clean, flow } = await photograph(HR, { geometry: { shiftX: 2, shiftY: -1 } }, new Random(1));
    for (let i = 0; i < flow.data.length; i += 2) {
      expect(flow.data[i]).toBe(2);
      expect(flow.data[i + 1]).toBe(-1);
    }
    for (let y = 1; y < clean.height; y++) {
      for (let x = 0; x < clean.width - 2; x++) {
        const from = 3 * (y * clean.width + x);
        const to = 3 * ((y - 1) * clean.width + x + 2);
        expect(Math.abs(lr.data[to] - clean.data[from])).toBeLessThan(1e-6);
      }
    }
  });

  it('has the stated size at the corner for rotation, zoom and distortion', async () => {
    for (const key of ['rotation', 'zoom', 'distortion'] as const) {
      const { flow } = await photograph(blankImage(800, 800), { geometry: { [key]: 0.5 } }, new Random(1));
      // The centre of the corner pixel is half a pixel inside the corner.
      expect(lengths(flow)[0]).toBeGreaterThan(0.48);
      expect(lengths(flow)[0]).toBeLessThan(0.503);
    }
  });

  it('turns clockwise for a positive rotation and outwards for a positive zoom', async () => {
    const turned = (await photograph(HR, { geometry: { rotation: 1 } }, new Random(1))).flow;
    const zoomed = (await photograph(HR, { geometry: { zoom: 1 } }, new Random(1))).flow;
    const topMiddle = 2 * 32;
    expect(turned.data[topMiddle]).toBeGreaterThan(0.3);
    expect(zoomed.data[topMiddle + 1]).toBeLessThan(-0.3);
  });

  it('has the stated root mean square for parallax', async () => {
    let squares = 0;
    const shots = 40;
    for (let seed = 0; seed < shots; seed++) {
      const geometry = { parallax: 0.7, parallaxSpacing: 12 };
      const { flow } = await photograph(blankImage(256, 256), { geometry }, new Random(seed));
      squares += lengths(flow).reduce((sum, v) => sum + v * v, 0) / (64 * 64);
    }
    expect(Math.sqrt(squares / shots)).toBeGreaterThan(0.66);
    expect(Math.sqrt(squares / shots)).toBeLessThan(0.74);
  });

  it('is refused where the movement folds the picture', async () => {
    const geometry = { parallax: 12, parallaxSpacing: 6 };
    await expect(photograph(HR, { geometry }, new Random(1))).rejects.toThrow(/folds the picture/);
    await expect(photograph(HR, { geometry }, new Random(1))).rejects.toThrow(InputError);
  });
});

describe('the true colour change', () => {
  const changes: [string, Partial<ColourChange>][] = [
    ['exposure', { exposure: 0.7 }],
    ['white balance', { red: 0.3, blue: -0.25 }],
    ['vignetting', { vignetting: 0.8 }],
    ['gamma', { gamma: 1.2 }],
    ['contrast', { contrast: -0.4 }],
    ['saturation', { saturation: 1.4 }],
    [
      'everything',
      { exposure: -0.3, red: 0.1, blue: 0.2, vignetting: 0.3, gamma: 0.9, contrast: 0.2, saturation: 0.8 },
    ],
  ];

  it.each(changes)('(%s) turns clean into lr', async (_, change) => {
    const { lr, clean, options } = await photograph(HR, { colour: change }, new Random(1));
    const recoloured = applyColourChange(clean, options.colour);
    expect(psnr(recoloured, lr)).toBeGreaterThan(110);
    expect(psnr(clean, lr)).toBeLessThan(45);
  });

  it('doubles linear light with each stop of exposure, and of red and blue in their channel alone', () => {
    const grey = flat(8, 8, 0.1);
    const brighter = applyColourChange(grey, { ...NEUTRAL_COLOUR, exposure: 1, red: 1, blue: -1 });
    const linear = [...brighter.data.slice(0, 3)].map(srgbToLinear);
    [0.4, 0.2, 0.1].forEach((expected, c) => expect(linear[c]).toBeCloseTo(expected, 5));
  });

  it('loses the stated stops at the corner and none in the middle', () => {
    const image = applyColourChange(flat(201, 151, 0.2), { ...NEUTRAL_COLOUR, vignetting: 1 });
    const at = (x: number, y: number): number => srgbToLinear(image.data[3 * (y * 201 + x)]);
    expect(at(100, 75)).toBeCloseTo(0.2, 5);
    expect(at(0, 0)).toBeCloseTo(0.1, 2);
    expect(at(200, 150)).toBeCloseTo(0.1, 2);
  });

  it('keeps greys grey, black black and white white under tone curve and saturation', () => {
    const ramp = {
      ...blankImage(5, 1),
      data: Float32Array.from({ length: 15 }, (_, i) => Math.floor(i / 3) / 4),
    };
    const { data } = applyColourChange(ramp, { ...NEUTRAL_COLOUR, gamma: 1.3, contrast: 0.5, saturation: 2 });
    for (let i = 0; i < 15; i += 3) {
      expect(data[i + 1]).toBeCloseTo(data[i], 6);
      expect(data[i + 2]).toBeCloseTo(data[i], 6);
      if (i > 0) expect(data[i]).toBeGreaterThan(data[i - 3]);
    }
    expect(data[0]).toBe(0);
    expect(data[12]).toBeCloseTo(1, 6);
  });

  it('has the stated slope at mid grey', () => {
    const near = { ...blankImage(2, 1), data: Float32Array.of(0.495, 0.495, 0.495, 0.505, 0.505, 0.505) };
    const { data } = applyColourChange(near, { ...NEUTRAL_COLOUR, contrast: 0.5 });
    expect((data[3] - data[0]) / 0.01).toBeCloseTo(Math.SQRT2, 3);
  });

  it('that is neutral gives the same pixels', () => {
    expect(same(applyColourChange(HR, NEUTRAL_COLOUR), HR)).toBe(true);
  });
});

describe('lens, sensor and file', () => {
  it('area sampling: each clean pixel is the mean linear light of its 4 x 4 HR pixels', async () => {
    const { clean } = await photograph(HR, {}, new Random(1));
    for (const [x, y] of [
      [0, 0],
      [17, 5],
      [63, 47],
    ]) {
      let sum = 0;
      for (let j = 0; j < 4; j++) {
        for (let k = 0; k < 4; k++) sum += srgbToLinear(HR.data[3 * ((4 * y + j) * 256 + 4 * x + k) + 2]);
      }
      expect(srgbToLinear(clean.data[3 * (y * 64 + x) + 2])).toBeCloseTo(sum / 16, 5);
    }
  });

  it('blur: the widths and the direction of a blurred dot are the stated ones', async () => {
    const blur = { major: 1.1, minor: 0.5, angle: 30 };
    const dot = dotAt(129.5, 97.5, 5);
    const sharp = moments((await photograph(dot, {}, new Random(1))).clean);
    const soft = moments((await photograph(dot, { blur }, new Random(1))).lr);
    const [xx, xy, yy] = soft.map((v, i) => v - sharp[i]);
    const mean = (xx + yy) / 2;
    const half = Math.hypot((xx - yy) / 2, xy);
    expect(Math.sqrt(mean + half)).toBeCloseTo(1.1, 1);
    expect(Math.sqrt(mean - half)).toBeCloseTo(0.5, 1);
    expect((Math.atan2(2 * xy, xx - yy) / 2) * (180 / Math.PI)).toBeCloseTo(30, 0);
  });

  it.each([0.05, 0.2, 0.6])(
    'noise: at %d of white the variance is shot * signal + read^2',
    async (signal) => {
      const noise = { shot: 4e-4, read: 3e-3 };
      const { lr } = await photograph(flat(512, 512, signal), { noise }, new Random(3));
      const linear = Array.from(lr.data, srgbToLinear);
      const mean = linear.reduce((a, b) => a + b) / linear.length;
      const variance = linear.reduce((a, b) => a + (b - mean) ** 2, 0) / linear.length;
      // 49152 samples: one standard error of the variance is 0.64 %.
      expect(mean).toBeCloseTo(signal, 3);
      expect(Math.abs(variance / (4e-4 * signal + 9e-6) - 1)).toBeLessThan(0.03);
    },
  );

  it('noise is the same in lr and aligned, whatever the geometry', async () => {
    const settings = { geometry: { shiftX: 3, parallax: 0.5 }, noise: { shot: 1e-3, read: 0 } };
    const { lr, aligned, clean } = await photograph(flat(64, 64, 0.3), settings, new Random(4));
    expect(psnr(lr, aligned)).toBeGreaterThan(100);
    expect(psnr(lr, clean)).toBeLessThan(40);
  });

  it('JPEG rounds to 8 bits, and stronger compression costs more', async () => {
    const fine = await photograph(HR, { jpeg: { quality: 98 } }, new Random(1));
    const coarse = await photograph(HR, { jpeg: { quality: 30 } }, new Random(1));
    expect(fine.lr.data.every((v) => Math.abs(v * 255 - Math.round(v * 255)) < 1e-4)).toBe(true);
    expect(psnr(fine.lr, fine.clean)).toBeGreaterThan(psnr(coarse.lr, coarse.clean) + 3);
  });
});

describe('a shot', () => {
  const settings: CameraSettings = {
    geometry: { shiftX: 0.4, rotation: 0.5, parallax: 0.3 },
    colour: { exposure: 0.2, blue: 0.1 },
    blur: { major: 0.5, minor: 0.4, angle: 20 },
    noise: { shot: 1e-4, read: 1e-3 },
    jpeg: { quality: 90 },
  };

  it('is the same pixels for the same seed, and others for another', async () => {
    const [a, b, other] = [
      await photograph(HR, settings, new Random(5)),
      await photograph(HR, settings, new Random(5)),
      await photograph(HR, settings, new Random(6)),
    ];
    for (const key of ['hr', 'lr', 'aligned', 'clean', 'flow'] as const)
      expect(same(a[key], b[key])).toBe(true);
    expect(same(a.lr, other.lr)).toBe(false);
    expect(same(a.flow, other.flow)).toBe(false);
  });

  it('can be taken again from its stored options', async () => {
    const first = await photograph(HR, settings, new Random(5));
    const stored = JSON.parse(JSON.stringify(first.options)) as CameraSettings;
    expect(same((await photograph(HR, stored, new Random(5))).lr, first.lr)).toBe(true);
  });

  it('does not change the HR picture', async () => {
    const before = { ...HR, data: HR.data.slice() };
    await photograph(HR, settings, new Random(5));
    expect(same(HR, before)).toBe(true);
  });

  it('has an HR of exactly four times its LR, cut at right and bottom', async () => {
    const odd = drawScene('odd', 83, 102);
    const shot = await photograph(odd, settings, new Random(1));
    expect([shot.hr.width, shot.hr.height]).toEqual([80, 100]);
    for (const picture of [shot.lr, shot.aligned, shot.clean, shot.flow]) {
      expect([picture.width, picture.height]).toEqual([20, 25]);
    }
    expect(shot.hr.data[3 * 80]).toBe(odd.data[3 * 83]);
  });

  it('keeps every picture finite and in [0,1], also with the light far up', async () => {
    const bright = { ...settings, colour: { exposure: 4, contrast: 1, saturation: 3 } };
    const shot = await photograph(HR, bright, new Random(1));
    for (const picture of [shot.lr, shot.aligned, shot.clean]) {
      expect(picture.data.every((v) => v >= 0 && v <= 1)).toBe(true);
    }
  });

  it('takes 8-bit pictures and pictures brighter than white as well', async () => {
    const grey8 = flat(32, 32, 0.2);
    grey8.data.fill(200 / 255);
    const bright = { ...grey8, data: grey8.data.map(() => 300 / 255) };
    const { clean } = await photograph(grey8, {}, new Random(1));
    expect(clean.data.every((v) => Math.abs(v - 200 / 255) < 1e-6)).toBe(true);
    expect((await photograph(bright, {}, new Random(1))).clean.data.every((v) => v === 1)).toBe(true);
  });

  it('with neutral settings is clean itself, with zero flow', async () => {
    const { lr, aligned, clean, flow } = await photograph(HR, {}, new Random(1));
    expect(same(lr, clean)).toBe(true);
    expect(same(aligned, clean)).toBe(true);
    expect(quantile(lengths(flow), 1)).toBe(0);
  });
});

describe('bad camera options are refused by name', () => {
  it.each([
    [{ blurr: {} }, /unknown key in camera options 'blurr'.*did you mean 'blur'/],
    [{ geometry: { shiftx: 1 } }, /unknown key in geometry of camera options 'shiftx'.*shiftX/],
    [{ blur: { major: -1 } }, /'blur.major'.*found -1/],
    [{ blur: { major: 0.2, minor: 0.4 } }, /'blur.minor'.*at most major.*found 0.4/],
    [{ noise: { shot: -1e-4 } }, /'noise.shot'.*found -0.0001/],
    [{ colour: { gamma: 0 } }, /'colour.gamma'.*found 0/],
    [{ colour: { exposure: '1' } }, /'colour.exposure'.*number.*found "1"/],
    [{ geometry: { shiftX: NaN } }, /'geometry.shiftX'/],
    [{ jpeg: { quality: 101 } }, /'jpeg.quality'.*found 101/],
    [{ jpeg: { quality: 90.5 } }, /'jpeg.quality'.*found 90.5/],
    [{ jpeg: {} }, /'jpeg.quality'.*found nothing/],
    [{ jpeg: { quality: 90, chroma: '4:1:1' } }, /'jpeg.chroma'.*4:2:0.*found "4:1:1"/],
    [null, /camera options.*found null/],
  ])('%j', (settings, message) => {
    expect(() => cameraOptions(settings as CameraSettings)).toThrow(InputError);
    expect(() => cameraOptions(settings as CameraSettings)).toThrow(message);
  });

  it('and so are pictures that it cannot photograph', async () => {
    await expect(photograph(blankImage(12, 64), {}, new Random(1))).rejects.toThrow(/at least 16x16.*12x64/);
    await expect(photograph(blankImage(64, 64, 1), {}, new Random(1))).rejects.toThrow(/RGB.*1 channels/);
  });
});

/** A Gaussian spot of light (sigma in HR pixels) on black, at HR position (x, y) of a 256 x 192 picture. */
function dotAt(x: number, y: number, sigma: number): Image {
  const image = blankImage(256, 192);
  for (let i = 0; i < image.data.length; i++) {
    const px = Math.floor(i / 3) % 256;
    const py = Math.floor(i / 3 / 256);
    image.data[i] = linearToSrgb(0.9 * Math.exp(-((px - x) ** 2 + (py - y) ** 2) / (2 * sigma * sigma)));
  }
  return image;
}

/** Centre of the linear light of a picture's green. */
function centroid(image: Image): { x: number; y: number } {
  let [sum, sx, sy] = [0, 0, 0];
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++) {
      const light = srgbToLinear(image.data[3 * (y * image.width + x) + 1]);
      sum += light;
      sx += light * x;
      sy += light * y;
    }
  }
  return { x: sx / sum, y: sy / sum };
}

/** Second central moments xx, xy, yy of the linear light of a picture's green, square pixels. */
function moments(image: Image): number[] {
  const middle = centroid(image);
  const out = [0, 0, 0];
  let sum = 0;
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++) {
      const light = srgbToLinear(image.data[3 * (y * image.width + x) + 1]);
      const [dx, dy] = [x - middle.x, y - middle.y];
      sum += light;
      out[0] += light * dx * dx;
      out[1] += light * dx * dy;
      out[2] += light * dy * dy;
    }
  }
  return out.map((v) => v / sum);
}

function bilinear(flow: Image, x: number, y: number): [number, number] {
  const [x0, y0] = [Math.floor(x), Math.floor(y)];
  const [fx, fy] = [x - x0, y - y0];
  const at = (px: number, py: number, c: number): number => flow.data[2 * (py * flow.width + px) + c];
  const mix = (c: number): number =>
    (1 - fy) * ((1 - fx) * at(x0, y0, c) + fx * at(x0 + 1, y0, c)) +
    fy * ((1 - fx) * at(x0, y0 + 1, c) + fx * at(x0 + 1, y0 + 1, c));
  return [mix(0), mix(1)];
}
