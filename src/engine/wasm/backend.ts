/**
 * TensorFlow.js's WebAssembly backend on a memory that threads can share.
 *
 * The published binary declares a private memory; whether a memory is shared is one bit of that declaration, and the code
 * behind it is the same. The bit is set before the binary is compiled, so that the kit's own kernels (native/wasm) can
 * run on the backend's tensors from several threads. The backend itself keeps to one.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import type { Memory } from './webassembly';

/** What this file uses of the module that Emscripten's loader makes. */
interface EmscriptenModule {
  readonly asm: { readonly memory: Memory };
  cwrap(name: string, result: string | null, args: readonly string[]): (...args: number[]) => number;
  tfjs?: Record<string, (...args: number[]) => number>;
}

type Loader = (options: {
  wasmBinary: Uint8Array;
  locateFile: (name: string) => string;
}) => Promise<EmscriptenModule>;

export interface SharedBackend {
  readonly backend: BackendWasm;
  readonly memory: Memory;
}

/** Makes the backend. It is not registered yet. */
export async function createBackend(): Promise<SharedBackend> {
  const folder = join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'wasm-out');
  const wasmBinary = shareMemory(readFileSync(join(folder, 'tfjs-backend-wasm-simd.wasm')));
  const emscripten = await import('@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js');
  const load = emscripten.default as unknown as Loader;
  const module = await load({ wasmBinary, locateFile: (name) => join(folder, name) });
  // The functions that the backend expects beside Emscripten's.
  const [none, number] = [[], ['number']];
  module.tfjs = {
    init: module.cwrap('init', null, none),
    initWithThreadsCount: module.cwrap('init_with_threads_count', null, number),
    getThreadsCount: module.cwrap('get_threads_count', 'number', none),
    registerTensor: module.cwrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: module.cwrap('dispose_data', null, number),
    dispose: module.cwrap('dispose', null, none),
  };
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  const backend = new wasm.BackendWasm(module as unknown as BackendWasm['wasm']);
  return { backend, memory: module.asm.memory };
}

const MEMORY_SECTION = 5;
const HAS_MAXIMUM = 1;
const SHARED = 2;

/**
 * The binary with its one memory declared as shared.
 * @throws Error if it has no memory with a maximum, which a shared one needs
 */
export function shareMemory(binary: Uint8Array): Uint8Array {
  const bytes = binary.slice();
  let at = 8; // behind magic number and version
  const unsigned = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
  };
  while (at < bytes.length) {
    const id = bytes[at++];
    const size = unsigned();
    const next = at + size;
    if (id === MEMORY_SECTION) {
      if (unsigned() !== 1 || bytes[at] !== HAS_MAXIMUM) break;
      bytes[at] |= SHARED;
      return bytes;
    }
    at = next;
  }
  throw new Error(
    `@tensorflow/tfjs-backend-wasm ${tf.version_core}: its memory cannot be declared as shared`,
  );
}
