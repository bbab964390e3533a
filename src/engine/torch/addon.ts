/**
 * The built addon: where it lies, what it offers, and whether it fits this version of the kit.
 * It is built by `npm run build:torch` (scripts/build-torch.cjs) into native/build/.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Typed arrays that hold a tensor's elements: float32, int32, bool. */
export type Elements = Float32Array | Int32Array | Uint8Array;

/** native/core/addon.cc, seen from here. A handle is a positive integer; 0 stands for "no tensor". */
export interface Addon {
  readonly protocol: number;
  readonly libtorch: string;
  /** at::get_parallel_info: thread counts, OpenMP, MKL. */
  readonly parallel: string;
  readonly cuda: boolean;
  /** Arguments of the next `run`, results of the last: see native/core/call.h. */
  readonly arguments: Float64Array;
  readonly results: Float64Array;
  readonly kernels: Readonly<Record<string, number>>;
  /** Sets of hand-written CPU loops that run here, best first, and "none": ATen's kernels alone. `pin` is for tests. */
  readonly loops: readonly string[];
  pin(loops: string): void;
  start(device: string, threads: number): number;
  run(code: number): void;
  upload(values: Elements, shape: readonly number[], dtype: number): number;
  read(handle: number): Elements;
  free(handle: number): void;
  sync(): void;
  memory(): [tensors: number, bytes: number];
}

/** Must equal kProtocol in native/core/addon.cc. */
const PROTOCOL = 1;

// The same depth from src/engine/torch (tests) and dist/engine/torch (built).
const BUILD = resolve(__dirname, '../../../native/build');
export const ADDON_FILE = join(BUILD, 'mimicsr_torch.node');

/**
 * What the addon was built against, or undefined where it is not built.
 * @throws Error where the record of the build cannot be read
 */
export function builtAgainst(): { libtorch: string; from: string } | undefined {
  const file = join(BUILD, 'mimicsr_torch.json');
  if (!existsSync(ADDON_FILE) || !existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, 'utf8')) as { libtorch: string; from: string };
}

/**
 * Loads the addon and with it libtorch.
 * @throws Error saying why it cannot be loaded
 */
export function loadAddon(): Addon {
  const container = { exports: {} };
  process.dlopen(container, ADDON_FILE);
  const addon = container.exports as Addon;
  if (addon.protocol !== PROTOCOL) throw new Error('it was built for another version of the kit');
  return addon;
}
