import { describe, expect, it } from 'vitest';
import {
  AXIS_FORMS,
  axisValue,
  combine,
  dimOf,
  explain,
  SAMPLES,
  Varying,
  type AxisForm,
} from '../../../src/weights/onnx/sizes';

const heights = SAMPLES.map((s) => s.height);
const widths = SAMPLES.map((s) => s.width);

describe('sizes that depend on the input', () => {
  it.each([
    ['height', heights],
    ['width', widths],
  ])(
    'no two formulas of the %s are proportional on the traced sizes, so that a fit is the only one',
    (_, sizes) => {
      const distinct = [...new Set(sizes.slice(0, 7))]; // the samples that the fit of one axis may use
      const ratios = AXIS_FORMS.map((form) =>
        distinct.map((n) => axisValue(form, n) / axisValue(form, distinct[0])).join(),
      );
      expect(distinct).toHaveLength(4);
      expect(new Set(ratios).size).toBe(AXIS_FORMS.length);
    },
  );

  it('no traced input fills its windows on both axes, so that every trace pads', () => {
    for (const { height, width } of SAMPLES) {
      for (let m = 2; m <= 64; m++) expect(height % m === 0 && width % m === 0).toBe(false);
    }
  });

  it('are explained by the formula that they come from, whatever its factor', () => {
    const some = AXIS_FORMS.filter((_, i) => i % 7 === 0 || i < 4);
    for (const [num, den] of [
      [1, 1],
      [12, 1],
      [1, 64],
    ]) {
      // prettier-ignore
      for (const height of some) {
        for (const width of some) {
          for (const batch of [false, true]) {
            const values = SAMPLES.map(
              (s) => ((batch ? s.batch : 1) * axisValue(height, s.height) * axisValue(width, s.width) * num) / den,
            );
            const dim = dimOf(values);
            if (typeof dim === 'number') continue;
            const same: { height: AxisForm; width: AxisForm; batch: boolean } = { height, width, batch };
            expect(explain(dim)).toMatchObject({ ...same, numerator: num, denominator: den });
          }
        }
      }
    }
  });

  it.each([
    ['a sum of both sides', (h: number, w: number) => h + w],
    ['a size rounded down', (h: number) => Math.floor(h / 4)],
    ['a size and one', (h: number) => h + 1],
    ['a square', (h: number) => h * h],
    ['the larger side', (h: number, w: number) => Math.max(h, w)],
  ])('%s is not explained', (_, f) => {
    expect(explain(new Varying(SAMPLES.map((s) => f(s.height, s.width))))).toBeUndefined();
  });

  it('that are the same for all inputs are numbers', () => {
    const height = dimOf(heights);
    expect(height).toBeInstanceOf(Varying);
    expect(combine([height, height], (a, b) => a - b + 3)).toBe(3);
  });
});
