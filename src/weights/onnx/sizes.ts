/**
 * Sizes that depend on the input's. A network is traced on inputs of several sizes; a number that is not the same in all
 * of them (a size to reshape to, rows to pad) must be a formula of the input's batch B, height H and width W:
 *
 *   factor * B^{0,1} * f(H) * g(W), where f and g are 1, the size n, n rounded up to a multiple of m, or what is missing
 *   to that multiple, for m up to 64.
 *
 * These are the formulas of the kit's networks (windows, padding to windows). Another one is refused, not guessed.
 */

/** Sizes of the traced inputs: a base, then heights, widths and the batch changed one at a time, last all at once. */
export const SAMPLES: readonly { readonly batch: number; readonly height: number; readonly width: number }[] =
  (() => {
    // The first of each axis is prime, so that no trace fills its windows on both axes; on these sizes no two of the
    // formulas below are proportional (the tests hold this), so that a fit is the only one.
    const heights = [997, 2363, 2960, 2103];
    const widths = [1009, 414, 2762, 573];
    const base = { batch: 2, height: heights[0], width: widths[0] };
    return [
      base,
      ...heights.slice(1).map((height) => ({ ...base, height })),
      ...widths.slice(1).map((width) => ({ ...base, width })),
      { ...base, batch: 3 },
      { batch: 5, height: 1103, width: 1657 },
    ];
  })();
const HEIGHTS = [0, 1, 2, 3]; // samples that differ in height alone
const WIDTHS = [0, 4, 5, 6];
const OTHER_BATCH = 7;

/** A number of a trace: the same for all samples, or one for each. */
export type Dim = number | Varying;

export class Varying {
  /** @param values one for each of SAMPLES */
  constructor(readonly values: readonly number[]) {}
}

/** The number that has these values, by sample. */
export function dimOf(values: readonly number[]): Dim {
  return values.every((v) => v === values[0]) ? values[0] : new Varying(values);
}

/** A number computed from others, sample by sample. */
export function combine(dims: readonly Dim[], f: (...values: number[]) => number): Dim {
  return dimOf(SAMPLES.map((_, i) => f(...dims.map((d) => (typeof d === 'number' ? d : d.values[i])))));
}

export function sameDim(a: Dim, b: Dim): boolean {
  return dimKey(a) === dimKey(b);
}

/** A text that tells numbers of a trace apart. */
export function dimKey(dim: Dim): string {
  return typeof dim === 'number' ? String(dim) : dim.values.join(' ');
}

/** f(n) of one axis: 1, n, n rounded up to a multiple of m, or what n lacks to it. */
export type AxisForm =
  { readonly kind: 'one' | 'size' } | { readonly kind: 'ceil' | 'missing'; readonly multiple: number };

export interface Formula {
  readonly numerator: number;
  readonly denominator: number;
  readonly batch: boolean;
  readonly height: AxisForm;
  readonly width: AxisForm;
}

const LARGEST_MULTIPLE = 64;

export const AXIS_FORMS: readonly AxisForm[] = [
  { kind: 'one' },
  { kind: 'size' },
  ...Array.from({ length: LARGEST_MULTIPLE - 1 }, (_, i) => [
    { kind: 'ceil', multiple: i + 2 } as const,
    { kind: 'missing', multiple: i + 2 } as const,
  ]).flat(),
];

export function axisValue(form: AxisForm, n: number): number {
  switch (form.kind) {
    case 'one':
      return 1;
    case 'size':
      return n;
    case 'ceil':
      return Math.ceil(n / form.multiple) * form.multiple;
    case 'missing':
      return Math.ceil(n / form.multiple) * form.multiple - n;
  }
}

/** The formula of a number that varies, or undefined if none of those above fits. */
export function explain({ values }: Varying): Formula | undefined {
  const batch = values[OTHER_BATCH] !== values[0];
  const height = fittingForm(values, HEIGHTS, (i) => SAMPLES[i].height);
  const width = fittingForm(values, WIDTHS, (i) => SAMPLES[i].width);
  if (height === undefined || width === undefined) return undefined;
  const product = SAMPLES.map(
    (s) => (batch ? s.batch : 1) * axisValue(height, s.height) * axisValue(width, s.width),
  );
  if (!values.every((v, i) => v * product[0] === values[0] * product[i])) return undefined;
  const shared = greatestCommonDivisor(values[0], product[0]);
  return { numerator: values[0] / shared, denominator: product[0] / shared, batch, height, width };
}

/** The one form that is proportional to the values on the given samples. */
function fittingForm(
  values: readonly number[],
  samples: readonly number[],
  size: (sample: number) => number,
): AxisForm | undefined {
  const first = samples[0];
  return AXIS_FORMS.find((form) =>
    samples.every(
      (i) => values[i] * axisValue(form, size(first)) === values[first] * axisValue(form, size(i)),
    ),
  );
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
