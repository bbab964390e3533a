/**
 * npm run bench -- [NAME or NAME/CASE...] [--json] [--rounds N]: the kit beside PyTorch eager (bench/peers), in one interleaved run.
 *
 * Each case has two processes, the kit's (bench/kit) and the peer's (bench/peers), which take turns: kit, peer, kit, peer.
 * The numbers are medians of all turns, so what else the machine does meanwhile meets both. With --json one object a line:
 * name, kit_s, peer_s, ratio (peer_s / kit_s: above 1 the kit is faster), kit_gflops, peer_gflops, kit_rss, peer_rss.
 * The peer of `processes` is not PyTorch but the kit's own L1.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import * as readline from 'node:readline';
import { parseArgs } from 'node:util';
import { METHOD_NAMES } from '../src/experiments/methods';

/** Floating-point operations of one run (two a multiply-accumulate), or undefined where a rate means nothing. */
type Cases = Record<string, number | undefined>;

const CONV = 2 * 8 * 64 * 64 * 64 * 64 * 9;
/** One of the products of window attention: 8 x 16 windows, 6 heads, 64 x 64 scores, 10 channels. */
const ATTENTION = 2 * 8 * 16 * 6 * 64 * 64 * 10;
const SEEMORE = 2 * 8 * 215_818_344;
const MIMIC = 2 * 8 * 382_977_408;

/** Backward takes twice the arithmetic of forward. */
const BENCHES: Record<string, Cases> = {
  overhead: { add: undefined },
  conv: { forward: CONV, 'forward+backward': 3 * CONV },
  attention: { plain: 6 * ATTENTION, shifted: 6 * ATTENTION },
  step: { seemore: 3 * SEEMORE, mimic: 3 * MIMIC },
  networks: Object.fromEntries(
    ['seemore', 'rrdbnet', 'swinir', 'dat'].flatMap((name) => [
      [`${name}-train`, undefined],
      [`${name}-upscale`, undefined],
    ]),
  ),
  processes: Object.fromEntries(
    [
      ...METHOD_NAMES.filter((name) => name !== 'l1').map((name) => `seemore:${name}`),
      'seemore:pseudo-gt/dam',
      'seemore:pseudo-gt/alignformer',
      'swinir:mimic',
      'swinir:mimic-corrected',
    ].map((kind) => [kind, undefined]),
  ),
  metrics: Object.fromEntries(
    ['psnr', 'ssim', 'niqe', 'nrqm'].flatMap((name) => [
      [`${name}-512`, undefined],
      [`${name}-2040`, undefined],
    ]),
  ),
};

/** Another case of the kit's that stands in PyTorch's place. */
const PEER_CASE: Record<string, (kind: string) => string> = {
  processes: (kind) => kind.replace(/:.*/, ':l1'),
};

/** Cases without a peer: why is said there. */
const ALONE = /^nrqm/;

interface Result {
  readonly name: string;
  /** Where it is not PyTorch. */
  readonly peer?: string;
  readonly kit_s: number;
  readonly peer_s?: number;
  readonly ratio?: number;
  readonly kit_gflops?: number;
  readonly peer_gflops?: number;
  readonly kit_rss: number;
  readonly peer_rss?: number;
}

/** A process that answers each line with one line of JSON. */
class Server {
  private readonly lines: AsyncIterator<string>;

  constructor(private readonly child: ChildProcess) {
    this.lines = readline.createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  async answer(): Promise<{ ready?: string; seconds?: number; rss?: number }> {
    const next = await this.lines.next();
    if (next.done) throw new Error(`a benchmark process ended early: ${this.child.spawnargs.join(' ')}`);
    return JSON.parse(next.value) as { ready?: string; seconds?: number; rss?: number };
  }

  async ask(line: string): Promise<{ seconds?: number; rss?: number }> {
    this.child.stdin!.write(`${line}\n`);
    return this.answer();
  }

  close(): void {
    this.child.kill();
  }
}

/** A Python that has torch: MIMICSR_PYTHON, else the first of python3 and /usr/bin/python3. */
function findPython(): string {
  const candidates = process.env.MIMICSR_PYTHON
    ? [process.env.MIMICSR_PYTHON]
    : ['python3', '/usr/bin/python3'];
  const found = candidates.find((python) => spawnSync(python, ['-c', 'import torch']).status === 0);
  if (found === undefined)
    throw new Error('no Python with torch: apt-get install python3-torch, or set MIMICSR_PYTHON');
  return found;
}

function start(command: string, args: string[], threads: number): Server {
  const env = { ...process.env, MIMICSR_THREADS: String(threads) };
  return new Server(spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] }));
}

async function compare(
  name: string,
  kind: string,
  flops: number | undefined,
  rounds: number,
  log: (line: string) => void,
): Promise<Result> {
  const threads = Number(process.env.MIMICSR_THREADS || availableParallelism());
  const startKit = (kind: string): Server =>
    start(
      process.execPath,
      ['-r', join(__dirname, 'register.cjs'), join(__dirname, 'kit', `${name}.ts`), kind],
      threads,
    );
  const startPeer = (): Server => {
    if (name in PEER_CASE) return startKit(PEER_CASE[name](kind));
    return start(findPython(), [join(__dirname, 'peers', `${name}.py`), kind, String(threads)], threads);
  };
  const kit = startKit(kind);
  const peer = ALONE.test(kind) ? undefined : startPeer();
  try {
    const [ours, theirs] = [await kit.answer(), await peer?.answer()];
    log(`${name}/${kind}: ${ours.ready} against ${theirs?.ready ?? 'nothing'}, ${threads} threads`);
    const times: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      times[0].push((await kit.ask('go')).seconds!);
      if (peer !== undefined) times[1].push((await peer.ask('go')).seconds!);
    }
    const kit_s = median(times[0]);
    const result = {
      name: name === 'networks' ? kind : `${name}/${kind}`,
      ...(name in PEER_CASE ? { peer: PEER_CASE[name](kind) } : {}),
      kit_s,
      ...(flops === undefined ? {} : { kit_gflops: flops / kit_s / 1e9 }),
      kit_rss: (await kit.ask('end')).rss!,
    };
    if (peer === undefined) return result;
    const peer_s = median(times[1]);
    return {
      ...result,
      peer_s,
      ratio: peer_s / kit_s,
      ...(flops === undefined ? {} : { peer_gflops: flops / peer_s / 1e9 }),
      peer_rss: (await peer.ask('end')).rss!,
    };
  } finally {
    kit.close();
    peer?.close();
  }
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function show(r: Result): string {
  const rate = (gflops?: number): string => (gflops === undefined ? '' : ` ${gflops.toFixed(0)} GFLOP/s`);
  const side = (seconds: number, gflops: number | undefined, rss: number): string =>
    `${(seconds * 1000).toFixed(2)} ms${rate(gflops)}, ${(rss / 2 ** 20).toFixed(0)} MiB`;
  const kit = side(r.kit_s, r.kit_gflops, r.kit_rss);
  if (r.peer_s === undefined) return `${r.name}: kit ${kit}`;
  const peer = side(r.peer_s, r.peer_gflops, r.peer_rss!);
  if (r.peer !== undefined)
    return `${r.name}: ${kit}; ${r.peer} ${peer}; ${(1 / r.ratio!).toFixed(2)} times its time`;
  return `${r.name}: kit ${kit}; PyTorch ${peer}; ratio ${r.ratio!.toFixed(2)}`;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '15' } },
  });
  const all = Object.entries(BENCHES).flatMap(([name, cases]) =>
    Object.entries(cases).map(([kind, flops]) => ({ name, kind, flops })),
  );
  const wanted = ({ name, kind }: (typeof all)[number], asked: string): boolean =>
    asked === name || asked === `${name}/${kind}`;
  const unknown = positionals.filter((asked) => !all.some((one) => wanted(one, asked)));
  if (unknown.length > 0) {
    throw new Error(
      `no benchmark ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}, and NAME/CASE`,
    );
  }
  for (const one of all) {
    if (positionals.length > 0 && !positionals.some((asked) => wanted(one, asked))) continue;
    const log = (line: string): void => void (values.json || process.stderr.write(`${line}\n`));
    const result = await compare(one.name, one.kind, one.flops, Number(values.rounds), log);
    process.stdout.write(`${values.json ? JSON.stringify(result) : show(result)}\n`);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
