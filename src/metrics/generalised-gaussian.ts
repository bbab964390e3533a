/**
 * Generalised Gaussian distributions, fitted by matching moments, as NIQE and NRQM do: the symmetric one (GGD; Sharifi and
 * Leon-Garcia 1995) by its shape g alone, the asymmetric one (AGGD; Lasmar et al. 2009) by shape and two widths.
 *
 * The shape has no closed form: a ratio of moments is looked up in a table over a grid of shapes, steps of 0.001, the
 * nearest entry wins, the first on a tie. pyiqa's grids are float32.
 */

/** Lanczos' approximation, g = 7 and 9 terms (coefficients by Godfrey 2001): 1e-14 relative on (0, 170]. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** ln Gamma(x) for x > 0. */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const z = x - 1;
  const sum = LANCZOS.slice(1).reduce((s, c, i) => s + c / (z + i + 1), LANCZOS[0]);
  const t = z + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Shapes of a grid with their moment ratio, which must be monotone. */
export class ShapeTable {
  private readonly shapes: Float64Array;
  private readonly ratios: Float64Array;
  private readonly rising: boolean;

  /** @param float32 round the shapes to float32, as pyiqa */
  constructor(from: number, ratio: (shape: number) => number, float32: boolean) {
    const length = Math.round((10 - from) / STEP) + 1;
    this.shapes = Float64Array.from({ length }, (_, i) => {
      const shape = from + i * STEP;
      return float32 ? Math.fround(shape) : shape;
    });
    this.ratios = this.shapes.map(ratio);
    this.rising = this.ratios[length - 1] > this.ratios[0];
  }

  /** The shape whose ratio is nearest to `target`; the first shape for NaN, where every comparison fails. */
  find(target: number): number {
    const { ratios, rising } = this;
    if (Number.isNaN(target)) return this.shapes[0];
    let [low, high] = [0, ratios.length - 1]; // the nearest lies in low .. high
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (ratios[middle] < target === rising) low = middle;
      else high = middle;
    }
    return this.shapes[Math.abs(ratios[low] - target) <= Math.abs(ratios[high] - target) ? low : high];
  }
}

const STEP = 0.001;

/** G(2/g)^2 / (G(1/g) G(3/g)) = E|x|^2 / E[x^2] of a generalised Gaussian of shape g. */
function aggdRatio(g: number): number {
  return Math.exp(2 * logGamma(2 / g) - logGamma(1 / g) - logGamma(3 / g));
}

const tables = new Map<string, ShapeTable>();

/** NIQE's table: shapes 0.2 to 10, by E|x|^2 / E[x^2]. Made once. */
export function aggdTable(float32: boolean): ShapeTable {
  return cached(`aggd ${float32}`, () => new ShapeTable(0.2, aggdRatio, float32));
}

/** NRQM's table: shapes 0.03 to 10, by E[x^2] / E|x|^2. Made once. */
export function ggdTable(float32: boolean): ShapeTable {
  return cached(`ggd ${float32}`, () => new ShapeTable(0.03, (g) => 1 / aggdRatio(g), float32));
}

function cached(key: string, make: () => ShapeTable): ShapeTable {
  let table = tables.get(key);
  if (table === undefined) tables.set(key, (table = make()));
  return table;
}

/** Shape and the widths of the left and right half. */
export interface Aggd {
  readonly alpha: number;
  readonly left: number;
  readonly right: number;
}

/**
 * The AGGD of the first `n` of `values`. Zeros belong to neither half, but count in the shape. A half without a value has
 * width NaN; then the shape is the table's first.
 */
export function fitAggd(values: Float64Array, n: number, table: ShapeTable): Aggd {
  let [leftSquares, leftCount, rightSquares, rightCount, sum] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const v = values[i];
    if (v < 0) {
      leftSquares += v * v;
      leftCount++;
      sum -= v;
    } else if (v > 0) {
      rightSquares += v * v;
      rightCount++;
      sum += v;
    }
  }
  const left = Math.sqrt(leftSquares / leftCount);
  const right = Math.sqrt(rightSquares / rightCount);
  const g = left / right;
  const r = (sum / n) ** 2 / ((leftSquares + rightSquares) / n);
  const alpha = table.find((r * (g ** 3 + 1) * (g + 1)) / (g * g + 1) ** 2);
  const width = Math.exp((logGamma(1 / alpha) - logGamma(3 / alpha)) / 2);
  return { alpha, left: left * width, right: right * width };
}
