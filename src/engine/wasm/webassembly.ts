/** The part of the WebAssembly API that this folder uses: TypeScript describes it only together with a browser's. */
export interface Memory {
  readonly buffer: SharedArrayBuffer;
  /** Adds pages of 64 KiB; arrays made before stay valid. */
  grow(pages: number): number;
}

/** A compiled module; may be sent to a thread. */
export type Module = object;

interface Api {
  readonly Memory: new (size: { initial: number; maximum: number; shared: true }) => Memory;
  readonly Module: new (binary: Uint8Array) => Module;
  readonly Instance: new (
    module: Module,
    imports: { env: { memory: Memory } },
  ) => { readonly exports: Record<string, (...args: number[]) => void> };
}

export const { WebAssembly } = globalThis as unknown as { WebAssembly: Api };
