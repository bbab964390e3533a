/** Parsers of command-line values; each says what it expected. */
import { NETWORK_NAMES, NETWORKS } from '../networks/networks';
import { InputError } from '../util/errors';

/** A whole number, `least` or more. */
export function count(flag: string, least = 1): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < least)
      throw new InputError(`${flag} ${text}: expected a whole number, ${least} or more`);
    return value;
  };
}

/** Any number. */
export function number(flag: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value))
      throw new InputError(`${flag} ${text}: expected a number`);
    return value;
  };
}

/** "lambda=0.1", "corrections.noise=true": where an option is, and its value, as JSON has it or as text. */
export interface Assignment {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** Assignments of a flag that may be given several times. */
export function assignments(flag: string): (text: string, before?: readonly Assignment[]) => Assignment[] {
  return (text, before = []) => {
    const [, name, value] = /^([\w.]+)=(.+)$/s.exec(text) ?? [];
    if (name === undefined) throw new InputError(`${flag} ${text}: expected OPTION=VALUE`);
    return [...before, { path: name.split('.'), value: jsonOrText(value) }];
  };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The engine flag that commands share. */
export const ENGINE_FLAG = [
  '--engine <name>',
  'tensor engine: torch, node-gpu, node, webgpu, wasm, cpu',
] as const;

/** The preset flag that commands share, with the presets of every network, the paper's first. */
export const PRESET_FLAG = [
  '--preset <name>',
  `size of the network, by default the paper's, here the first: ${NETWORK_NAMES.map((name) => {
    const { paper, presets } = NETWORKS[name];
    return `${name} ${[paper, ...presets.filter((preset) => preset !== paper)].join(', ')}`;
  }).join('; ')}`,
] as const;
