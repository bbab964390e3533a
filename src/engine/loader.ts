/** Engines, best first: the order in which one is chosen when none is pinned. */
export const ENGINE_NAMES = ['torch', 'node-gpu', 'node', 'webgpu', 'wasm', 'cpu'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export interface EngineStatus {
  readonly available: boolean;
  /** If available: library version and device. If not: what is missing and the command that brings it. */
  readonly detail: string;
}

/** One tensor backend: how to find it and how to start it. */
export interface EngineLoader {
  readonly name: EngineName;
  /** What it is, in a few words, for `mimicsr doctor`. */
  readonly summary: string;
  /** Looks for the engine without starting it. Never throws. */
  probe(): Promise<EngineStatus>;
  /**
   * Registers the backend and makes it TensorFlow.js's current one.
   * @throws InputError naming what to install where `probe` says it is not available.
   */
  start(): Promise<void>;
}
