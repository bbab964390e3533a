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
import { InputError } from '../../util/errors';
import type { Memory } from './webassembly';

/** What this file uses of the module that Emscripten's loader makes. */
interface EmscriptenModule {
  readonly asm: { readonly memory: Memory; malloc(bytes: number): number; free(address: number): void };
  _malloc(bytes: number): number;
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

/** What WebAssembly can address. */
const MOST_BYTES = 2 ** 32;

/** Makes the backend, whose allocations throw an InputError where memory ends. It is not registered yet. */
export async function createBackend(): Promise<SharedBackend> {
  const folder = join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'wasm-out');
  const wasmBinary = shareMemory(readFileSync(join(folder, 'tfjs-backend-wasm-simd.wasm')));
  const emscripten = await import('@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js');
  const load = emscripten.default as unknown as Loader;
  const module = await load({ wasmBinary, locateFile: (name) => join(folder, name) });
  module._malloc = (bytes) => allocate(module, bytes);
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

/**
 * Emscripten's malloc, safe where memory ends. By itself it then answers 0, which the backend would take for an address;
 * or it hands out a free block that is too small, so high up that address and size together pass 2^32 and look small.
 * @throws InputError where the memory has no such block and cannot grow by it
 */
function allocate({ asm }: EmscriptenModule, bytes: number): number {
  const tooSmall: number[] = []; // held meanwhile, so that it looks at other blocks
  let address = 0;
  while (bytes < MOST_BYTES) {
    address = asm.malloc(bytes) >>> 0;
    if (address + bytes < MOST_BYTES) break;
    tooSmall.push(address);
    address = 0;
  }
  tooSmall.forEach((block) => asm.free(block));
  if (address > 0 || bytes === 0) return address;
  throw new InputError(
    `engine 'wasm' is out of memory: ${Math.ceil(bytes / 2 ** 20)} MiB on top of what is in use, of 4096 MiB that ` +
      'WebAssembly can address; take smaller batches, patches or tiles',
  );
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
