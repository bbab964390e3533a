/**
 * Names of weights as other files spell them.
 *
 * The kit's RRDBNet uses the names of the ESRGAN repository (xinntao/ESRGAN, `RRDBNet_arch.py`), as the paper's code
 * does. BasicSR renamed every part, and the oldest ESRGAN files number them.
 */
import { InputError } from '../util/errors';
import { quoted } from './tensor-file';

/** `esrgan` is the kit's own naming. */
export type RrdbNaming = 'esrgan' | 'basicsr' | 'esrgan-old';

// {i} block, {j} dense block, {k} convolution; {n}, in the oldest naming, is the number of blocks.
const RRDB_NAMES: readonly Readonly<Record<RrdbNaming, string>>[] = [
  { esrgan: 'conv_first', basicsr: 'conv_first', 'esrgan-old': 'model.0' },
  {
    esrgan: 'RRDB_trunk.{i}.RDB{j}.conv{k}',
    basicsr: 'body.{i}.rdb{j}.conv{k}',
    'esrgan-old': 'model.1.sub.{i}.RDB{j}.conv{k}.0',
  },
  { esrgan: 'trunk_conv', basicsr: 'conv_body', 'esrgan-old': 'model.1.sub.{n}' },
  { esrgan: 'upconv1', basicsr: 'conv_up1', 'esrgan-old': 'model.3' },
  { esrgan: 'upconv2', basicsr: 'conv_up2', 'esrgan-old': 'model.6' },
  { esrgan: 'HRconv', basicsr: 'conv_hr', 'esrgan-old': 'model.8' },
  { esrgan: 'conv_last', basicsr: 'conv_last', 'esrgan-old': 'model.10' },
];

/** The naming of an RRDBNet's weights, or undefined if the names are not an RRDBNet's. */
export function rrdbNaming(names: Iterable<string>): RrdbNaming | undefined {
  for (const name of names) {
    if (name.startsWith('RRDB_trunk.0.RDB1.')) return 'esrgan';
    if (name.startsWith('body.0.rdb1.')) return 'basicsr';
    if (name.startsWith('model.1.sub.0.RDB1.')) return 'esrgan-old';
  }
  return undefined;
}

/**
 * The same weights under the names of another naming, in the same order. Throws an InputError (which starts with
 * `label`) for names that are not an RRDBNet's.
 */
export function renameRrdb<T>(
  weights: ReadonlyMap<string, T>,
  to: RrdbNaming,
  label: string,
): Map<string, T> {
  const from = rrdbNaming(weights.keys());
  if (from === undefined) {
    throw new InputError(
      `${label}: expected an RRDBNet's weights (RRDB_trunk.*, body.*.rdb* or model.1.sub.*), found none of its names`,
    );
  }
  const rules = RRDB_NAMES.map((names) => ({ pattern: patternOf(names[from]), target: names[to] }));
  let blocks = 0;
  for (const name of weights.keys()) {
    const block = rules[1].pattern.exec(name)?.groups?.i;
    if (block !== undefined) blocks = Math.max(blocks, Number(block) + 1);
  }
  const renamed = new Map<string, T>();
  for (const [name, value] of weights) {
    const target = rename(name, rules, blocks);
    if (target === undefined) throw new InputError(`${label}: ${quoted(name)} is not a weight of an RRDBNet`);
    renamed.set(target, value);
  }
  return renamed;
}

/** The first rule that fits gives the name; {n} fits only the number of blocks. */
function rename(
  name: string,
  rules: readonly { pattern: RegExp; target: string }[],
  blocks: number,
): string | undefined {
  for (const { pattern, target } of rules) {
    const match = pattern.exec(name);
    if (!match) continue;
    const numbers: Record<string, string> = { n: String(blocks), ...match.groups };
    if (numbers.n !== String(blocks)) continue;
    const stem = target.replace(/\{(\w)\}/g, (_, letter: string) => numbers[letter]);
    return `${stem}.${numbers.kind}`;
  }
  return undefined;
}

function patternOf(template: string): RegExp {
  const stem = template.replaceAll('.', '\\.').replace(/\{(\w)\}/g, '(?<$1>\\d+)');
  return new RegExp(`^${stem}\\.(?<kind>weight|bias)$`);
}

/**
 * Buffers that a network derives from its configuration, not from training: window indices, attention masks and offset
 * tables (whose shapes depend on the image size that a file was made for), and batch norm's step counter. They are
 * skipped on load.
 */
const DERIVED: ReadonlySet<string> = new Set([
  'relative_position_index',
  'attn_mask',
  'attn_mask_0',
  'attn_mask_1',
  'rpe_biases',
  'num_batches_tracked',
]);

/** Whether the last part of a weight's name is that of a derived buffer. */
export function isDerivedBuffer(name: string): boolean {
  return DERIVED.has(name.slice(name.lastIndexOf('.') + 1));
}

/**
 * The same weights without a leading `module.`, which PyTorch's DataParallel puts before every name. Throws an InputError
 * if two names become one.
 */
export function stripModulePrefix<T>(weights: ReadonlyMap<string, T>, label: string): Map<string, T> {
  const stripped = new Map<string, T>();
  for (const [name, value] of weights) {
    const short = name.startsWith('module.') ? name.slice('module.'.length) : name;
    if (stripped.has(short)) {
      throw new InputError(`${label}: holds ${quoted(short)} twice, once as ${quoted(`module.${short}`)}`);
    }
    stripped.set(short, value);
  }
  return stripped;
}
