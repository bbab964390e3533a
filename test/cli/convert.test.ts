import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createNetwork, NETWORK_NAMES } from '../../src/networks/networks';
import { renameRrdb } from '../../src/weights/key-maps';
import { readWeights } from '../../src/weights/load';
import { writePyTorch } from '../../src/weights/pytorch-write';
import { readSafetensors, writeSafetensors } from '../../src/weights/safetensors';
import { bytesOf, float32Tensor, type StoredTensor } from '../../src/weights/tensor-file';
import { startTestEngine, TEST_ENGINE } from '../engines';
import { openOnnx } from '../weights/onnx/runtime';
import { NO_PYTHON, PYTHON, runPython } from '../weights/python-torch';
import { mimicsr } from './run';

const root = mkdtempSync(join(tmpdir(), 'mimicsr-convert-'));
const path = (name: string): string => join(root, name);
let outputs = 0;
/** A name that no file has yet. */
const fresh = (ending: string): string => path(`out${outputs++}${ending}`);

/** The smallest preset of each family. */
const SMALL = { rrdbnet: 'light', swinir: 'light', dat: 'light', seemore: 'tiny' } as const;

/** What PyTorch finds in a file: key, shape, type and a checksum of the values of every tensor. */
const INSPECT = `
import sys, json, torch
from hashlib import sha256
state = torch.load(sys.argv[1], weights_only=True)[sys.argv[2]]
print(json.dumps([[k, list(v.shape), str(v.dtype), sha256(v.numpy().tobytes()).hexdigest()] for k, v in state.items()]))
`;

describe('mimicsr convert', () => {
  beforeAll(async () => {
    await startTestEngine();
    for (const name of NETWORK_NAMES) {
      const network = createNetwork(name, SMALL[name]).initialise(1);
      const state = new Map<string, StoredTensor>();
      for (const [key, { shape, data }] of await network.stateDict()) {
        state.set(key, float32Tensor(shape, data));
      }
      writeSafetensors(path(`${name}.safetensors`), state);
      network.dispose();
    }
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  let before: string[];
  beforeEach(() => {
    before = readdirSync(root);
  });

  it.each(NETWORK_NAMES)('%s: to .pth and back is the same file, byte for byte', async (name) => {
    const [pth, back] = [fresh('.pth'), fresh('.safetensors')];
    const flags = ['--network', name, '--preset', SMALL[name]];
    const there = await mimicsr('convert', path(`${name}.safetensors`), pth, '--under', 'params', ...flags);
    expect(there).toMatchObject({ code: 0, err: '' });
    expect(there.out).toMatch(/^.*\.pth: \d+ tensors, \d+ values\n$/);
    expect((await mimicsr('convert', pth, back, '--key', 'params')).code).toBe(0);
    expect(readFileSync(back).equals(readFileSync(path(`${name}.safetensors`)))).toBe(true);
  });

  it.skipIf(PYTHON === undefined).each(NETWORK_NAMES)(
    `%s: PyTorch loads the .pth with the same keys, shapes and values (${NO_PYTHON})`,
    async (name) => {
      const pth = fresh('.pth');
      await mimicsr('convert', path(`${name}.safetensors`), pth, '--under', 'params');
      const expected = [...readSafetensors(path(`${name}.safetensors`)).tensors].map(([key, tensor]) => [
        key,
        tensor.shape,
        'torch.float32',
        createHash('sha256').update(bytesOf(tensor.data)).digest('hex'),
      ]);
      expect(JSON.parse(runPython(INSPECT, pth, 'params'))).toEqual(expected);
    },
  );

  it('keeps every type and every buffer, and takes the dictionary that is asked for', async () => {
    const state = new Map<string, StoredTensor>([
      ['module.a', { dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) }],
      ['module.steps', { dtype: 'I64', shape: [], data: BigInt64Array.of(12n) }],
    ]);
    writePyTorch(path('half.pth'), state, 'params_ema');
    const out = fresh('.safetensors');
    expect((await mimicsr('convert', path('half.pth'), out, '--key', 'params_ema')).code).toBe(0);
    const names = [...state].map(([key, tensor]) => [key.slice('module.'.length), tensor]);
    expect([...readSafetensors(out).tensors]).toEqual(names);
    const other = await mimicsr('convert', path('half.pth'), fresh('.safetensors'), '--key', 'params');
    expect(other.code).toBe(2);
    expect(other.err).toContain("'params_ema'");
  });

  it("renames an RRDBNet's keys to BasicSR's and back, and checks them under the kit's own", async () => {
    const [basicsr, back] = [fresh('.pth'), fresh('.safetensors')];
    const own = path('rrdbnet.safetensors');
    const fit = ['--network', 'rrdbnet', '--preset', 'light'];
    expect((await mimicsr('convert', own, basicsr, '--keys', 'basicsr', ...fit)).code).toBe(0);
    expect([...readWeights(basicsr).keys()]).toContain('body.5.rdb3.conv5.bias');
    expect((await mimicsr('convert', basicsr, back, '--keys', 'esrgan', ...fit)).code).toBe(0);
    expect(readFileSync(back).equals(readFileSync(own))).toBe(true);
  });

  it('writes an ONNX file of any network that runs at a size of its own', async () => {
    const out = fresh('.onnx');
    const converted = await mimicsr('convert', path('seemore.safetensors'), out, '--network', 'seemore');
    expect(converted).toMatchObject({ code: 0, out: `${out}: seemore for any batch, height and width\n` });
    const lr = Float32Array.from({ length: 3 * 17 * 21 }, (_, i) => (i % 7) / 7);
    const { data, shape } = await (await openOnnx(readFileSync(out)))(lr, [1, 3, 17, 21]);
    expect(shape).toEqual([1, 3, 68, 84]);
    const network = createNetwork('seemore').loadStateDict(readWeights(path('seemore.safetensors')));
    const ours = tf.tidy(() =>
      tf.transpose(
        network.forward(tf.transpose(tf.tensor4d(lr, [1, 3, 17, 21]), [0, 2, 3, 1])),
        [0, 3, 1, 2],
      ),
    );
    const values = await ours.data();
    expect(Math.max(...values.map((v, i) => Math.abs(v - data[i])))).toBeLessThan(1e-4);
    ours.dispose();
    network.dispose();
  });

  it('takes a run folder, which knows its network', async () => {
    const run = path('run');
    const training = ['--photos', 'scenes', '--camera', 'aligned', '--iterations', '1', '--batch', '1'];
    const trained = await mimicsr(
      'train',
      ...training,
      '--patch',
      '16',
      '--engine',
      TEST_ENGINE,
      '--out',
      run,
    );
    expect(trained.code).toBe(0);
    const [onnx, pth] = [fresh('.onnx'), fresh('.pth')];
    expect((await mimicsr('convert', run, onnx)).code).toBe(0);
    await openOnnx(readFileSync(onnx));
    expect((await mimicsr('convert', run, pth)).code).toBe(0);
    expect(readWeights(pth)).toEqual(readWeights(join(run, 'weights.safetensors')));
  });

  it('suggests the network that the weights fit', async () => {
    const wrong = await mimicsr('convert', path('swinir.safetensors'), fresh('.pth'), '--network', 'seemore');
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain('missing: conv_1.weight [36, 3, 3, 3]');
    expect(wrong.err).toContain('unexpected: conv_first.weight');
    expect(wrong.err).toContain('It fits --network swinir --preset light');
    const size = await mimicsr('convert', path('rrdbnet.safetensors'), fresh('.pth'), '--network', 'rrdbnet');
    expect(size.err).toContain('It fits --network rrdbnet --preset light');
    const shapes = await mimicsr('upscale', 'x.png', '--weights', path('seemore.safetensors'), '--network', 'seemore', '--preset', 'base'); // prettier-ignore
    expect(shapes.err).toContain('conv_1.weight [36, 3, 3, 3] instead of [48, 3, 3, 3]');
    expect(shapes.err).toContain('It fits --network seemore --preset tiny');

    const renamed = renameRrdb(readSafetensors(path('rrdbnet.safetensors')).tensors, 'basicsr', 'test');
    writeSafetensors(path('basicsr.safetensors'), renamed);
    const names = await mimicsr(
      'convert',
      path('basicsr.safetensors'),
      fresh('.onnx'),
      '--network',
      'rrdbnet',
    );
    expect(names.err).toContain("--keys esrgan' it fits --network rrdbnet --preset light");
  });

  it.each([
    ['an unknown ending', ['SEEMORE', 'OUT.bin'], 'ends in .safetensors, .pth, .pt, .onnx'],
    ['a file that is there', ['SEEMORE', 'THERE.pth'], 'exists: --force replaces it'],
    ['a folder as output', ['SEEMORE', 'FOLDER.pth'], 'is a folder'],
    ['no input', ['NONE', 'OUT.pth'], 'cannot read the weight file'],
    ['an input that holds no weights', ['TEXT', 'OUT.pth'], 'expected a safetensors file or a PyTorch'],
    ['ONNX without a network', ['SEEMORE', 'OUT.onnx'], 'name it with --network'],
    ['an unknown network', ['SEEMORE', 'OUT.onnx', '--network', 'seemor'], "did you mean 'seemore'"],
    ['an unknown naming', ['SEEMORE', 'OUT.pth', '--keys', 'basicSR'], "did you mean 'basicsr'"],
    ["keys that are no RRDBNet's", ['SEEMORE', 'OUT.pth', '--keys', 'basicsr'], "expected an RRDBNet's"],
    ['a dictionary of safetensors', ['SEEMORE', 'OUT.pth', '--key', 'params'], 'without dictionaries'],
    [
      '--under for another format',
      ['SEEMORE', 'OUT.safetensors', '--under', 'params'],
      '--under is for .pth',
    ],
    ['--preset alone', ['SEEMORE', 'OUT.pth', '--preset', 'tiny'], '--preset goes with --network'],
    ['a folder that is no run', ['FOLDER.pth', 'OUT.pth'], 'no run here'],
    ['weights that are not numbers', ['NAN', 'OUT.pth'], 'expected finite weights'],
  ])('leaves with 2 and one sentence for %s, and writes nothing', async (_, args, message) => {
    writeFileSync(path('THERE.pth'), 'mine');
    writeFileSync(path('TEXT'), 'text');
    mkdirSync(path('FOLDER.pth'), { recursive: true });
    writeSafetensors(path('NAN'), new Map([['w', float32Tensor([1], Float32Array.of(NaN))]]));
    before = readdirSync(root);
    const names = args.map((a) =>
      a === 'SEEMORE' ? path('seemore.safetensors') : /^[A-Z]/.test(a) ? path(a) : a,
    );
    const { code, out, err } = await mimicsr('convert', ...names);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err).not.toMatch(/\n\s+at /);
    expect(readdirSync(root)).toEqual(before);
    expect(readFileSync(path('THERE.pth'), 'utf8')).toBe('mine');
  });

  it('replaces a file with --force', async () => {
    const out = fresh('.pth');
    writeFileSync(out, 'old');
    expect((await mimicsr('convert', path('seemore.safetensors'), out, '--force')).code).toBe(0);
    expect(readWeights(out).size).toBe(readWeights(path('seemore.safetensors')).size);
    expect(existsSync(`${out}.tmp`)).toBe(false);
  });
});
