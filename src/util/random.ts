/**
 * Seeded random numbers: xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021).
 *
 * A generator is named by a path of keys, `new Random(seed, 'crop', step, index)`: streams with different paths are
 * independent, so any sample of any step can be drawn again without replaying the ones before it. That is what makes
 * a run the same for any number of loader workers and after a resume.
 */
export class Random {
  private readonly s: Uint32Array;

  constructor(seed: number | string, ...path: readonly (number | string)[]) {
    // FNV-1a over the path (with separators), then one avalanche round per state word.
    let h = 0x811c9dc5;
    for (const key of [seed, ...path]) {
      for (const ch of `${typeof key}:${key}|`) h = Math.imul(h ^ ch.codePointAt(0)!, 0x01000193);
      h = mix(h);
    }
    this.s = new Uint32Array(4);
    for (let i = 0; i < 4; i++) this.s[i] = mix(h + Math.imul(i + 1, 0x9e3779b9));
    if (this.s.every((x) => x === 0)) this.s[0] = 1;
    for (let i = 0; i < 8; i++) this.uint32();
  }

  /** Uniform integer in [0, 2^32). */
  uint32(): number {
    const s = this.s;
    const m = Math.imul(s[1], 5);
    const result = Math.imul((m << 7) | (m >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Uniform in [low, high), 53 bits. */
  uniform(low = 0, high = 1): number {
    const u = ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
    return low + (high - low) * u;
  }

  /** The logarithm uniform, from `low` > 0 to `high`. Equal ends draw nothing. */
  logUniform(low: number, high: number): number {
    return low === high ? low : low * (high / low) ** this.uniform();
  }

  /** Uniform integer in [low, high], both ends included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.uniform() < p;
  }

  /** One of `items`. */
  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)];
  }

  /** Normal by Box-Muller (no value is kept back, so the stream's position says everything). */
  normal(mean = 0, std = 1): number {
    const r = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return mean + std * r * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Fills `out` with independent normal values; two from each Box-Muller pair, twice as fast as `normal`. */
  fillNormal(out: Float32Array, mean = 0, std = 1): void {
    for (let i = 0; i < out.length; i += 2) {
      const r = std * Math.sqrt(-2 * Math.log(1 - this.uniform()));
      const angle = 2 * Math.PI * this.uniform();
      out[i] = mean + r * Math.cos(angle);
      if (i + 1 < out.length) out[i + 1] = mean + r * Math.sin(angle);
    }
  }

  /** Normal, drawn again until it lies within [low, high]. */
  truncatedNormal(mean: number, std: number, low: number, high: number): number {
    for (;;) {
      const x = this.normal(mean, std);
      if (x >= low && x <= high) return x;
    }
  }

  /** A random order of 0 … n-1 (Fisher-Yates). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(0, i);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}

/** 32-bit finaliser: every input bit moves every output bit. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}
