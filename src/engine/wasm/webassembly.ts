/** The part of the WebAssembly API that this folder uses: TypeScript describes it only together with a browser's. */
export interface Memory {
  readonly buffer: SharedArrayBuffer;
}

/** A compiled module; may be sent to a thread. */
export type Module = object;

interface Api {
  readonly Module: new (binary: Uint8Array) => Module;
  readonly Instance: new (
    module: Module,
    imports: { env: { memory: Memory } },
  ) => { readonly exports: Record<string, (...args: number[]) => void> };
}

export const { WebAssembly } = globalThis as unknown as { WebAssembly: Api };
