import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PyTorchValue } from '../../src/weights/pytorch';
import { isTensor, parsePyTorch, readPyTorch, stateDictOf } from '../../src/weights/pytorch';
import { encodePyTorch, writePyTorch } from '../../src/weights/pytorch-write';
import { readSafetensors } from '../../src/weights/safetensors';
import type { StoredTensor } from '../../src/weights/tensor-file';
import { bytesOf, float32Tensor, storedTensor } from '../../src/weights/tensor-file';
import { NO_SHARED, SHARED, shared } from '../shared';
import { bytesOfOpcodes, floats, oldForm, pickle, tensor, text, zipForm } from './forge';
import { NO_PYTHON, PYTHON, runPython } from './python-torch';

const folder = mkdtempSync(join(tmpdir(), 'mimicsr-pytorch-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Dictionary = ReadonlyMap<string, PyTorchValue>;
const hexOf = (t: StoredTensor): string => Buffer.from(bytesOf(t.data)).toString('hex');

/** A checkpoint value as JSON would hold it: what the Python program below prints of the same value. */
function plain(value: PyTorchValue): unknown {
  if (isTensor(value)) return { dtype: value.dtype, shape: value.shape, hex: hexOf(value) };
  if (value instanceof Map) return { dict: [...(value as Dictionary)].map(([k, v]) => [k, plain(v)]) };
  if (Array.isArray(value)) return { list: value.map(plain) };
  return typeof value === 'bigint' ? { int: String(value) } : value;
}

const WRITE_CHECKPOINTS = `
import sys, json, collections, torch
folder = sys.argv[1]
torch.manual_seed(0)
NAMES = {torch.float64: 'F64', torch.float32: 'F32', torch.float16: 'F16', torch.bfloat16: 'BF16', torch.int64: 'I64',
         torch.int32: 'I32', torch.int16: 'I16', torch.int8: 'I8', torch.uint8: 'U8', torch.bool: 'BOOL'}
def plain(v):
    if isinstance(v, torch.Tensor):
        t = v.detach().contiguous()
        raw = t.view(torch.int16) if t.dtype == torch.bfloat16 else t
        return {'dtype': NAMES[v.dtype], 'shape': list(v.shape), 'hex': raw.numpy().tobytes().hex()}
    if isinstance(v, dict): return {'dict': [[k, plain(x)] for k, x in v.items()]}
    if isinstance(v, (list, tuple)): return {'list': [plain(x) for x in v]}
    if type(v) is int and abs(v) >= 2 ** 53: return {'int': str(v)}
    return v

base = torch.randn(4, 5, 6)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Linear(8, 2))
adam = torch.optim.Adam(net.parameters())
for p in net.parameters(): p.grad = torch.ones_like(p)
adam.step()
objects = {
    'dtypes': {str(d): (torch.randn(3, 5) * 50).to(d) for d in NAMES},
    'views': {
        'transposed': base.permute(2, 0, 1), 'step': base[::2, 1:4, ::3], 'row': base[1, 2], 'column': base[:, 3, 4],
        'whole': base, 'scalar': base[0, 0, 1], 'empty': base[:, :0], 'expanded': base[:, :1, :1].expand(4, 7, 9),
        'ones': base[:1, :, :1], 'nhwc': base[None].contiguous(memory_format=torch.channels_last),
        'bool': (base > 0)[:, 1], 'long': torch.arange(24).view(4, 6).t(), 'half': base.half()[..., 1],
    },
    'nested': {
        'ints': [0, 1, 255, 256, 65535, 65536, -1, -129, 2**31 - 1, -2**31, 2**31, 2**53 - 1, 2**53, -2**63, 2**100],
        'floats': [0.1, -1e300, 5e-324], 'none': None, 'flags': (True, False), 'text': ['', 'caf\\u00e9 \\U0001f600', 'x' * 300],
        'one': (1,), 'two': (1, 2), 'three': (1, 2, 3), 'four': (1, 2, 3, 4), 'size': base.shape, 'no': [], 'nope': {}, 'nil': (),
        3: {'deep': [[[{'t': torch.ones(2)}]]]}, 'ordered': collections.OrderedDict(a=1, b=torch.zeros(1)),
    },
    'training': {'epoch': 3, 'state_dict': net.state_dict(), 'optimizer': adam.state_dict()},
    'parameters': {'p': torch.nn.Parameter(torch.randn(2, 2)), 'frozen': torch.nn.Parameter(torch.randn(2), requires_grad=False)},
    'many': {'w%d' % i: torch.full((1,), float(i)) for i in range(300)},
}
expected = {}
for name, value in objects.items():
    expected[name] = plain(value)
    for form, new in (('zip', True), ('old', False)):
        for protocol in (2, 3, 4, 5):
            torch.save(value, '%s/%s-%s-%d.pth' % (folder, name, form, protocol), pickle_protocol=protocol, _use_new_zipfile_serialization=new)
print(json.dumps(expected))
`;

describe.skipIf(!PYTHON)(`checkpoints that PyTorch wrote (${NO_PYTHON})`, () => {
  let expected: Record<string, unknown> = {};
  beforeAll(() => {
    mkdirSync(join(folder, 'written'));
    expected = JSON.parse(runPython(WRITE_CHECKPOINTS, join(folder, 'written'))) as Record<string, unknown>;
  });

  const forms = ['zip', 'old'].flatMap((form) => [2, 3, 4, 5].map((protocol) => `${form}-${protocol}`));
  it.each([
    ['dtypes', 'every element type'],
    ['views', 'transposed, strided, sliced, expanded, empty and scalar views of one storage'],
    ['nested', 'nested lists, tuples, dictionaries, numbers and text'],
    ['training', 'a state dict with batch norm and an optimiser'],
    ['parameters', 'parameters'],
    ['many', 'more values than one-byte memo indices reach'],
  ])('%s: %s are read bit for bit, in both forms, pickle protocols 2 to 5', (name) => {
    for (const form of forms) {
      const value = readPyTorch(join(folder, 'written', `${name}-${form}.pth`));
      expect(plain(value), form).toEqual(expected[name]);
    }
  });

  it('the state dict of a training checkpoint is found', () => {
    for (const form of forms) {
      const tensors = stateDictOf(readPyTorch(join(folder, 'written', `training-${form}.pth`)), form);
      expect([...tensors.keys()]).toEqual([
        ...[
          '0.weight',
          '0.bias',
          '1.weight',
          '1.bias',
          '1.running_mean',
          '1.running_var',
          '1.num_batches_tracked',
        ],
        ...['2.weight', '2.bias'],
      ]);
    }
  });

  it('a whole pickled module is refused by the name of its class', () => {
    const path = join(folder, 'module.pth');
    runPython(
      'import sys, torch; [torch.save(torch.nn.Linear(2, 2), sys.argv[1] + f, _use_new_zipfile_serialization=f == "zip") for f in ("zip", "old")]',
      path,
    );
    for (const form of ['zip', 'old']) {
      expect(() => readPyTorch(path + form)).toThrow(
        /module\.pth(zip|old): .*refuses global 'torch\.nn\.modules\.linear\.Linear'/,
      );
    }
  });
});

const READ_BACK = `
import sys, json, collections, torch
dump = []
for path in sys.argv[1:]:
    value = torch.load(path, weights_only=True)
    if 'params' in value: value = value['params']
    assert type(value) is collections.OrderedDict
    for name, t in value.items():
        raw = t.view(torch.int16) if t.dtype == torch.bfloat16 else t
        dump.append([name, str(t.dtype), list(t.shape), list(t.stride()), raw.numpy().tobytes().hex()])
print(json.dumps(dump))
`;

const ALL_TYPES = new Map<string, StoredTensor>([
  [
    'conv.weight',
    float32Tensor(
      [2, 3, 1, 2],
      Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)),
    ),
  ],
  ['f64', storedTensor('F64', [2], Float64Array.of(Math.PI, -0))],
  ['f16', storedTensor('F16', [2], Uint16Array.of(0x3c00, 0xc000))],
  ['bf16', storedTensor('BF16', [1, 2], Uint16Array.of(0x3f80, 0x4049))],
  ['i64', storedTensor('I64', [2], BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n))],
  ['i32', storedTensor('I32', [2], Int32Array.of(-7, 2 ** 31 - 1))],
  ['i16', storedTensor('I16', [2], Int16Array.of(-7, 32767))],
  ['i8', storedTensor('I8', [3], Int8Array.of(-128, 0, 127))],
  ['u8', storedTensor('U8', [3], Uint8Array.of(0, 128, 255))],
  ['bool', storedTensor('BOOL', [3], Uint8Array.of(1, 0, 1))],
  ['scalar', float32Tensor([], Float32Array.of(2.5))],
  ['empty', float32Tensor([0, 4], new Float32Array(0))],
  ['naïve 名', float32Tensor([1], Float32Array.of(NaN))],
]);

describe('checkpoints that the kit writes', () => {
  it('are read back by the kit: names, order, types, shapes, bits', () => {
    for (const under of [undefined, 'params']) {
      const path = join(folder, 'own.pth');
      writePyTorch(path, ALL_TYPES, under);
      const tensors = stateDictOf(readPyTorch(path), path);
      expect([...tensors.keys()]).toEqual([...ALL_TYPES.keys()]);
      for (const [name, t] of ALL_TYPES) {
        expect(plain(tensors.get(name)!)).toEqual(plain(t));
      }
    }
  });

  it('are the same bytes for the same weights', () => {
    const once = Buffer.concat(encodePyTorch(ALL_TYPES));
    expect(Buffer.concat(encodePyTorch(new Map(ALL_TYPES))).equals(once)).toBe(true);
  });

  it('are not written for a type that PyTorch lacks, or data that does not fill its shape', () => {
    const path = join(folder, 'bad', 'x.pth');
    const u16 = new Map([['w', storedTensor('U16', [1], Uint16Array.of(1))]]);
    expect(() => writePyTorch(path, u16)).toThrow("tensor 'w': PyTorch files cannot hold U16");
    const short = new Map([['w', storedTensor('F32', [2], Float32Array.of(1))]]);
    expect(() => writePyTorch(path, short)).toThrow(
      "tensor 'w': 1 values do not make a F32 tensor of shape [2]",
    );
    expect(readdirSync(folder)).not.toContain('bad');
  });

  it.skipIf(!PYTHON)(`are loaded by torch.load(weights_only=True), bit for bit (${NO_PYTHON})`, () => {
    const bare = join(folder, 'bare.pth');
    const wrapped = join(folder, 'wrapped.pth');
    writePyTorch(bare, ALL_TYPES);
    writePyTorch(wrapped, ALL_TYPES, 'params');
    const dump = JSON.parse(runPython(READ_BACK, bare, wrapped)) as [
      string,
      string,
      number[],
      number[],
      string,
    ][];
    const torchName: Record<string, string> = {
      ...{ F64: 'float64', F32: 'float32', F16: 'float16', BF16: 'bfloat16', I64: 'int64', I32: 'int32' },
      ...{ I16: 'int16', I8: 'int8', U8: 'uint8', BOOL: 'bool' },
    };
    const expected = [...ALL_TYPES].map(([name, t]) => [
      name,
      `torch.${torchName[t.dtype]}`,
      t.shape,
      hexOf(t),
    ]);
    expect(dump.map(([name, dtype, shape, , hex]) => [name, dtype, shape, hex])).toEqual([
      ...expected,
      ...expected,
    ]);
    expect(dump[0][3]).toEqual([6, 2, 2, 1]);
  });

  it.skipIf(!PYTHON)(`load strictly into a PyTorch module (${NO_PYTHON})`, () => {
    const path = join(folder, 'conv.pth');
    const weight = float32Tensor([4, 3, 3, 3], new Float32Array(108).fill(0.5));
    writePyTorch(
      path,
      new Map([
        ['weight', weight],
        ['bias', float32Tensor([4], Float32Array.of(0, 1, 2, 3))],
      ]),
    );
    const sum = runPython(
      'import sys, torch; m = torch.nn.Conv2d(3, 4, 3); m.load_state_dict(torch.load(sys.argv[1], weights_only=True), strict=True); print(m(torch.ones(1, 3, 3, 3)).sum().item())',
      path,
    );
    expect(Number(sum)).toBe(4 * 13.5 + 6);
  });

  it.skipIf(!PYTHON)(`pass the integrity test of Python's zipfile, with aligned data (${NO_PYTHON})`, () => {
    const path = join(folder, 'zip.pth');
    writePyTorch(path, ALL_TYPES);
    const names = runPython(
      'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), len(z.namelist()))',
      path,
    );
    expect(names.trim()).toBe(`None ${ALL_TYPES.size + 3}`);
    const bytes = readFileSync(path);
    const tensors = stateDictOf(parsePyTorch(new Uint8Array(bytes), path), path);
    for (const { data } of tensors.values()) if (data.length > 0) expect(data.byteOffset % 64).toBe(0);
  });
});

describe('the state dict of a checkpoint', () => {
  const w = (key: string) => tensor({ key, count: 1, size: [1], stride: [1] });
  const dict = (...entries: [string, Uint8Array][]) =>
    bytesOfOpcodes('}(', ...entries.flatMap(([name, value]) => [text(name), value]), 'u');
  const storages = { '0': floats(10), '1': floats(11), '2': floats(12) };
  const read = (object: Uint8Array, key?: string) => {
    const tensors = stateDictOf(parsePyTorch(zipForm(pickle(object), storages), 'x.pth'), 'x.pth', key);
    return Object.fromEntries([...tensors].map(([name, t]) => [name, Number(t.data[0])]));
  };
  const all = dict(
    ['epoch', bytesOfOpcodes('K\x07')],
    ['state_dict', dict(['w', w('0')])],
    ['params', dict(['w', w('1')])],
    ['params_ema', dict(['w', w('2')])],
  );

  it('is the smoothed one first, then params, then state_dict, then the bare dictionary', () => {
    expect(read(all)).toEqual({ w: 12 });
    expect(read(dict(['state_dict', dict(['w', w('0')])], ['params', dict(['w', w('1')])]))).toEqual({
      w: 11,
    });
    expect(read(dict(['epoch', bytesOfOpcodes('N')], ['state_dict', dict(['w', w('0')])]))).toEqual({
      w: 10,
    });
    expect(read(dict(['w', w('0')], ['v', w('1')]))).toEqual({ w: 10, v: 11 });
  });

  it('is the one asked for', () => {
    expect(read(all, 'params')).toEqual({ w: 11 });
    expect(() => read(all, 'net')).toThrow(
      /x\.pth: expected a dictionary of tensors under 'net', found nothing; its keys are 'epoch', 'state_dict'/,
    );
    expect(() => read(all, 'epoch')).toThrow(/under 'epoch', found a number/);
  });

  it('is missed with the keys that are there', () => {
    expect(() => read(dict(['epoch', bytesOfOpcodes('K\x07')], ['netG', dict(['w', w('0')])]))).toThrow(
      /expected a dictionary of tensors, found a number at 'epoch'; its keys are 'epoch', 'netG'/,
    );
    expect(() => read(bytesOfOpcodes(']'))).toThrow(/found a list/);
    expect(() => read(dict())).toThrow(/found an empty one/);
  });
});

describe('hand-made checkpoints', () => {
  it('of Python 2 (byte strings, ordered dictionaries from pairs, the first tensor constructor) are read', () => {
    const v1 = Buffer.from(
      tensor({ count: 2, size: [2], stride: [1] })
        .toString('latin1')
        .replace('_rebuild_tensor_v2', '_rebuild_tensor')
        .replace('\x89ccollections\nOrderedDict\n)RtR', 'tR'),
      'latin1',
    );
    const pairs = pickle('ccollections\nOrderedDict\n](](U\x01w', v1, 'ee\x85R');
    for (const bytes of [zipForm(pairs, { '0': floats(1, 2) }), oldForm(pairs, { '0': floats(1, 2) })]) {
      expect(stateDictOf(parsePyTorch(bytes, 'x'), 'x').get('w')!.data).toEqual(Float32Array.of(1, 2));
    }
  });

  it('share a storage between tensors without copying it', () => {
    const view = { count: 4, size: [2], stride: [1] };
    const object = pickle('}(', text('a'), tensor(view), text('b'), tensor({ ...view, offset: 2 }), 'u');
    const file = new Uint8Array(zipForm(object, { '0': floats(1, 2, 3, 4) }));
    const state = stateDictOf(parsePyTorch(file, 'x'), 'x');
    expect([...state.get('b')!.data]).toEqual([3, 4]);
    expect(state.get('a')!.data.buffer).toBe(state.get('b')!.data.buffer);
  });
});

describe.skipIf(!SHARED)(`real checkpoints (${NO_SHARED})`, () => {
  it('CD-00014.pt equals its conversion', () => {
    const path = shared('data', 'weights', 'CD-00014.pt');
    const tree = readPyTorch(path) as Dictionary;
    const { tensors } = readSafetensors(shared('goldens', 'alignment', 'cdnet-00014.safetensors'));
    const net = stateDictOf(tree, path, 'netF_dict');
    expect(net.size).toBe(5);
    for (const [name, t] of net) expect(plain(t)).toEqual(plain(tensors.get(name.replace('module.', ''))!));
    expect(plain(tree.get('cube')!)).toEqual(plain(tensors.get('cube')!));
    expect(tree.get('epoch')).toBe(14);
    expect(() => stateDictOf(tree, path)).toThrow(/its keys are 'epoch', 'netF_dict', 'optimizer', 'cube'/);
  });

  it('raft-small.pth, in the form before PyTorch 1.6, equals its conversion', () => {
    const path = shared('data', 'weights', 'raft-small.pth');
    const state = stateDictOf(readPyTorch(path), path);
    const { tensors } = readSafetensors(shared('data', 'weights', 'raft-small.safetensors'));
    expect([...state.keys()].map((name) => name.replace('module.', '')).sort()).toEqual(
      [...tensors.keys()].sort(),
    );
    for (const [name, t] of state) {
      const other = tensors.get(name.replace('module.', ''))!;
      expect([t.dtype, t.shape]).toEqual([other.dtype, other.shape]);
      expect(Buffer.from(bytesOf(t.data)).equals(Buffer.from(bytesOf(other.data)))).toBe(true);
    }
  });
});
