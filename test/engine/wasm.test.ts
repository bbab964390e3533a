/** The wasm engine's memory and threads. */
import '@tensorflow/tfjs';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBackend, shareMemory, type SharedBackend } from '../../src/engine/wasm/backend';
import { Heap } from '../../src/engine/wasm/heap';
import { registerKernels } from '../../src/engine/wasm/register';
import { ThreadPool } from '../../src/engine/wasm/threads';
import { WebAssembly, type Memory } from '../../src/engine/wasm/webassembly';
import { Random } from '../../src/util/random';
import type { Case, Draw } from './kernel-cases';
import { arithmetic, convolutions, fused, moves, sums } from './wasm-cases';

const BINARY = readFileSync(join(__dirname, '../../native/wasm/build/kernels.wasm'));
const DRAWS: readonly Draw[] = [...convolutions, ...arithmetic, ...moves, ...sums, ...fused];

describe('the module of kernels', () => {
  it('holds nothing but code: no data, no globals, no table, no memory of its own, no start', () => {
    // Type, import, function, export, code.
    expect(sections(BINARY)).toEqual([1, 2, 3, 7, 10]);
  });

  it('needs nothing but the shared memory', () => {
    const { imports } = (globalThis as unknown as { WebAssembly: { Module: ModuleReflection } }).WebAssembly
      .Module;
    expect(imports(new WebAssembly.Module(BINARY))).toEqual([
      { module: 'env', name: 'memory', kind: 'memory' },
    ]);
  });
});

describe("the backend's memory", () => {
  it('is not shared by a binary without one, or with one that has no maximum', () => {
    const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    expect(() => shareMemory(Uint8Array.from(header))).toThrow('cannot be declared as shared');
    expect(() => shareMemory(Uint8Array.from([...header, 5, 3, 1, 0, 1]))).toThrow(
      'cannot be declared as shared',
    );
    expect([...shareMemory(Uint8Array.from([...header, 5, 4, 1, 1, 1, 2]))].slice(8)).toEqual([
      5, 4, 1, 3, 1, 2,
    ]);
  });
});

describe('wasm engine on several threads', () => {
  let backend: SharedBackend['backend'];
  let memory: Memory;
  let heaps: Record<'one' | 'three', Heap>;
  let pools: ThreadPool[];

  beforeAll(async () => {
    const shared = await createBackend();
    ({ backend, memory } = shared);
    pools = [1, 3].map((threads) => new ThreadPool(new WebAssembly.Module(BINARY), memory, threads));
    // A threshold of 0: small jobs are cut up as well.
    const [one, three] = pools.map((pool) => new Heap(shared.backend, pool, 0));
    heaps = { one, three };
    tf.removeBackend('wasm');
    tf.registerBackend('wasm', () => shared.backend);
    registerKernels(heaps.one);
    await tf.setBackend('wasm');
  });

  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
  });

  it('gives the same bits as on one', () => {
    const cases = Array.from({ length: 300 }, (_, i) => DRAWS[i % DRAWS.length](new Random('threads', i)));
    registerKernels(heaps.one);
    const expected = cases.map(values);
    registerKernels(heaps.three);
    cases.forEach((one, i) => {
      const same = values(one).every((bytes, k) => bytes.equals(expected[i][k]));
      expect(same, `${one.kernels}, case ${i}`).toBe(true);
    });
  });

  it('does not grow its memory or keep tensors over 2,000 cases', () => {
    registerKernels(heaps.three);
    const cases = Array.from({ length: 100 }, (_, i) => DRAWS[i % DRAWS.length](new Random('leaks', i)));
    cases.forEach(values);
    const before = { ...tf.memory(), bytes: memory.buffer.byteLength };
    for (let round = 0; round < 20; round++) cases.forEach(values);
    expect({ ...tf.memory(), bytes: memory.buffer.byteLength }).toEqual(before);
  });

  it('says so when memory ends, and goes on', () => {
    heaps.one.free(heaps.one.output([2 ** 21])); // a free block, too small for what follows
    const before = backend.numDataIds();
    for (const floats of [2 ** 30 - 2 ** 14, 2 ** 40]) {
      const kernelOfTheBackend = (): tf.Tensor => tf.tile(tf.ones([1]), [floats]);
      const upload = (): object => backend.write(null, [floats], 'float32');
      for (const make of [() => heaps.one.output([floats]), upload, () => tf.tidy(kernelOfTheBackend)]) {
        expect(make).toThrow(
          /^engine 'wasm' is out of memory: \d+ MiB on top of what is in use, of 4096 MiB/,
        );
      }
    }
    expect(backend.numDataIds()).toBe(before);
    heaps.one.free(heaps.one.output([1000]));
  });

  it('reports a kernel that fails, and goes on', () => {
    const outside = 0xfffffff0;
    const work = { units: 1000, cost: 100 };
    for (const heap of [heaps.one, heaps.three]) {
      expect(() => heap.run('fill', [outside, 1], work)).toThrow(
        /memory access out of bounds|failed in a thread/,
      );
      const tensor = heap.output([1000]);
      heap.run('fill', [heap.address(tensor), 2], work);
      expect(heap.value(tensor)).toBe(2);
      heap.free(tensor);
      expect(() => heap.run('no such kernel', [], work)).toThrow('npm run build');
    }
  });
});

interface ModuleReflection {
  readonly imports: (module: object) => unknown[];
}

/** The bytes of every result. */
function values({ inputs, run }: Case): Buffer[] {
  return tf.tidy(() => {
    const out = run(...inputs.map(({ values, shape, dtype }) => tf.tensor(values, shape, dtype)));
    return [out].flat().map((t) => Buffer.from(t.dataSync().buffer));
  });
}

/** Ids of a WebAssembly binary's sections, in order. */
function sections(binary: Uint8Array): number[] {
  const ids: number[] = [];
  let at = 8;
  while (at < binary.length) {
    ids.push(binary[at++]);
    let size = 0;
    for (let shift = 0, byte = 128; byte >= 128; shift += 7) {
      byte = binary[at++];
      size |= (byte & 127) << shift;
    }
    at += size;
  }
  return ids;
}
