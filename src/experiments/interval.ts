/** Mean over seeds and its confidence interval. */

/** 97.5 % points of Student's t for 1, 2, … 30 degrees of freedom; beyond, the normal one is near enough. */
const T_975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const NORMAL_975 = 1.96;

export interface Interval {
  readonly mean: number;
  /** Half the width of the 95 % interval of the mean (Student's t); absent for one value, and where one is infinite. */
  readonly half?: number;
  readonly count: number;
}

/** @param values one a seed, at least one */
export function interval95(values: readonly number[]): Interval {
  const count = values.length;
  const mean = values.reduce((sum, v) => sum + v, 0) / count;
  if (count < 2 || !Number.isFinite(mean)) return { mean, count };
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (count - 1);
  const t = T_975[count - 2] ?? NORMAL_975;
  return { mean, half: t * Math.sqrt(variance / count), count };
}

/** "27.52 ± 0.11"; without the half width where there is one value. */
export function intervalText({ mean, half }: Interval, digits: number): string {
  return mean.toFixed(digits) + (half === undefined ? '' : ` ± ${half.toFixed(digits)}`);
}
