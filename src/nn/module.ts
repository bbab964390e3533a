/**
 * Modules: a tree of named parameters with PyTorch's state-dict names. A module registers each parameter and child under
 * the key that the official code gives it (`child('conv_1.0', new Conv2d(...))`), in the official order; nothing is
 * found by reflection, so the names of TypeScript fields are free.
 */
import { createHash } from 'node:crypto';
import { requireEngine } from '../engine/engines';
import { InputError } from '../util/errors';
import { Random } from '../util/random';
import type { Initialiser } from './init';
import { Parameter, type ParameterOptions } from './parameter';

/** Arrays by PyTorch key, in PyTorch's layout. */
export type StateDict = Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

export abstract class Module {
  /** Training mode: batch statistics, stochastic depth. Set through `train`. */
  protected training = false;
  /** Where a module that draws in training (stochastic depth) takes its randomness. Set through `train`. */
  protected random?: Random;
  private readonly ownParameters = new Map<string, Parameter>();
  private readonly children = new Map<string, Module>();

  /** Registers a parameter under its PyTorch key and returns it. */
  protected parameter(
    key: string,
    shape: readonly number[],
    initialiser: Initialiser,
    options?: ParameterOptions,
  ): Parameter {
    const parameter = new Parameter(shape, initialiser, options);
    this.ownParameters.set(key, parameter);
    return parameter;
  }

  /** Registers a sub-module under its PyTorch key (which may contain dots) and returns it. */
  protected child<M extends Module>(key: string, module: M): M {
    this.children.set(key, module);
    return module;
  }

  /** Every parameter and buffer with its full key, in PyTorch's order. */
  *namedParameters(prefix = ''): Generator<[string, Parameter]> {
    for (const [key, parameter] of this.ownParameters) yield [prefix + key, parameter];
    for (const [key, module] of this.children) yield* module.namedParameters(`${prefix}${key}.`);
  }

  /** The parameters that an optimiser updates, in order. */
  trainable(): [string, Parameter][] {
    return [...this.namedParameters()].filter(([, p]) => p.trainable);
  }

  /** Number of trained values. */
  parameterCount(): number {
    return this.trainable().reduce((sum, [, p]) => sum + p.size, 0);
  }

  /** Number of values, trained or not. */
  valueCount(): number {
    return [...this.namedParameters()].reduce((sum, [, p]) => sum + p.size, 0);
  }

  /** Makes all weights constants: for networks that only serve a loss. */
  freeze(): this {
    for (const [, parameter] of this.namedParameters()) parameter.freeze();
    return this;
  }

  /** Every module below this one with its full key, in order, parents first. */
  *namedModules(prefix = ''): Generator<[string, Module]> {
    for (const [key, module] of this.children) {
      yield [prefix + key, module];
      yield* module.namedModules(`${prefix}${key}.`);
    }
  }

  /**
   * Switches this module and everything below it to training (true) or test mode (false).
   * @param random what a training step draws, in the order of its forward pass; a trainer calls
   *   `train(true, new Random(seed, 'network', step))` before each step, so that a resumed run draws the same
   */
  train(mode = true, random?: Random): this {
    this.training = mode;
    this.random = random;
    for (const module of this.children.values()) module.train(mode, random);
    return this;
  }

  /** What `work` gives with the module in test mode; afterwards it is in the mode in which it was. */
  async inTestMode<T>(work: () => Promise<T>): Promise<T> {
    const { training, random } = this;
    this.train(false);
    try {
      return await work();
    } finally {
      this.train(training, random);
    }
  }

  /**
   * Draws all initial values; an engine must be running. Each parameter's stream is named by seed and key, so the order of
   * drawing is no matter.
   */
  initialise(seed: number): this {
    requireEngine();
    for (const [key, parameter] of this.namedParameters())
      parameter.initialise(new Random(seed, 'init', key));
    return this;
  }

  /** SHA-256 of all values with their keys. */
  async fingerprint(): Promise<string> {
    const hash = createHash('sha256');
    for (const [key, { data }] of await this.stateDict()) hash.update(`${key}:${data.length}:`).update(data);
    return hash.digest('hex');
  }

  async stateDict(): Promise<StateDict> {
    const state: StateDict = new Map();
    for (const [key, p] of this.namedParameters()) state.set(key, { shape: p.shape, data: await p.values() });
    return state;
  }

  /**
   * Loads every parameter and buffer; an engine must be running. Nothing is changed unless all fit.
   * @param source what the state came from, for the message: a file name
   * @throws InputError listing every missing, unexpected, misshapen and non-finite key
   */
  loadStateDict(state: StateDict, source = 'state dict'): this {
    requireEngine();
    const own = new Map(this.namedParameters());
    const faults: string[] = [];
    for (const [key, p] of own) {
      const found = state.get(key);
      if (found === undefined) faults.push(`missing ${key} (${shapeText(p.shape)})`);
      else if (shapeText(found.shape) !== shapeText(p.shape)) {
        faults.push(`${key} has shape ${shapeText(found.shape)}, expected ${shapeText(p.shape)}`);
      } else if (!found.data.every(Number.isFinite)) faults.push(`${key} holds values that are not finite`);
    }
    for (const key of state.keys()) if (!own.has(key)) faults.push(`unexpected ${key}`);
    if (faults.length > 0) {
      const shown = faults.slice(0, 20).join('; ');
      const rest = faults.length > 20 ? `; and ${faults.length - 20} more` : '';
      throw new InputError(
        `${source} does not fit ${this.constructor.name} (${faults.length} keys): ${shown}${rest}`,
      );
    }
    for (const [key, p] of own) p.load(state.get(key)!.data);
    return this;
  }

  /** Frees all parameters. */
  dispose(): void {
    for (const [, parameter] of this.namedParameters()) parameter.dispose();
  }
}

function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
