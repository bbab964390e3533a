/**
 * Attack files against the checkpoint reader, made here: calls, opcodes and archives that would harm a reader that
 * trusts its input. Each must be refused with one clear sentence, at once, without memory that the file does not justify.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../../src/util/errors';
import { parseWeights } from '../../src/weights/load';
import { parsePyTorch } from '../../src/weights/pytorch';
import type { Opcodes } from './forge';
import { watchMemory } from '../fuzz/peak-memory';
import {
  bytesOfOpcodes,
  floats,
  integer,
  oldForm,
  pickle,
  storage,
  tensor,
  text,
  tuple,
  uint32,
  zipForm,
} from './forge';

const MIB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), 'mimicsr-hostile-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Refused as a state dict in both forms, with a message that fits `message`, fast and within the memory bound. */
function refuses(message: RegExp, object: Uint8Array, storages: Record<string, Uint8Array> = {}): void {
  for (const bytes of [zipForm(object, storages), oldForm(object, storages)]) refusesFile(message, bytes);
}

function refusesFile(message: RegExp, bytes: Uint8Array): void {
  const start = process.cpuUsage(); // not the clock, which other work on the machine moves
  let error: unknown;
  const grown = watchMemory();
  try {
    parseWeights(bytes, 'evil.pth');
  } catch (e) {
    error = e;
  }
  const { user, system } = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  expect(error).toBeInstanceOf(InputError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).toMatch(/^evil\.pth: [^\n]{1,600}$/);
  expect(seconds).toBeLessThan(2);
  expect(grown()).toBeLessThan(4 * bytes.length + 64 * MIB);
}

const dict = (name: string, ...value: Opcodes) => bytesOfOpcodes('}', text(name), ...value, 's');

describe('a pickle that calls something is refused by name, and nothing is called', () => {
  const mark = join(folder, 'ran');
  it.each<[string, Opcodes]>([
    ['os.system', ['cos\nsystem\n(', text(`touch ${mark}`), 'tR']],
    ['posix.system', ['cposix\nsystem\n(', text(`touch ${mark}`), 'tR']],
    ['builtins.eval', ['cbuiltins\neval\n(', text('1+1'), 'tR']],
    ['builtins.getattr', ['cbuiltins\ngetattr\n(', text('x'), text('y'), 'tR']],
    ['subprocess.Popen', ['csubprocess\nPopen\n((', text('touch'), text(mark), 'ltR']],
    ['torch.load', ['ctorch\nload\n(', text('/etc/passwd'), 'tR']],
    ['torch._utils._rebuild_qtensor', ['ctorch._utils\n_rebuild_qtensor\n)R']],
    ['torch.hub.load', ['ctorch.hub\nload\n)R']],
    ['collections.OrderedDict.__init__', [text('collections'), text('OrderedDict.__init__'), '\x93)R']],
    ['__builtin__.exec', [text('__builtin__'), text('exec'), '\x93)R']],
    ['constructor', ['c\nconstructor\n)R']],
    ['__proto__.toString', ['c__proto__\ntoString\n)R']],
  ])('%s', (name, opcodes) => {
    refuses(new RegExp(`refuses global '\\.?${name.replaceAll('.', '\\.')}'`), pickle(...opcodes));
    refuses(/refuses global/, pickle(dict('w', ...opcodes)));
    expect(existsSync(mark)).toBe(false);
  });

  it.each<[string, Opcodes]>([
    ['INST', ['(', text('id'), 'ios\nsystem\n']],
    ['OBJ', ['(cos\nsystem\n', text('id'), 'o']],
    ['NEWOBJ', ['ccollections\nOrderedDict\n)\x81']],
    ['NEWOBJ_EX', ['ccollections\nOrderedDict\n)}\x92']],
    ['EXT1', ['\x82\x01']],
    ['text opcodes', ["S'x'\n"]],
    ['PERSID', ['Pstorage\n']],
    ['BYTEARRAY8', ['\x96', uint32(0), uint32(0)]],
    ['NEXT_BUFFER', ['\x97']],
    ['an unknown opcode', ['\xff']],
  ])('%s', (_, opcodes) => refuses(/refuses (opcode 0x|global)/, pickle(...opcodes)));

  it('a storage class or a tensor constructor is no way around', () => {
    refuses(/calls something that is not a global/, pickle('(t(tR'));
    refuses(/calls something that is not a global/, pickle(text('os.system'), ')R'));
    refuses(/refuses to call 'torch\.FloatStorage'/, pickle('ctorch\nFloatStorage\n)R'));
    refuses(/without a tuple/, pickle('ccollections\nOrderedDict\nNR'));
    refuses(/expected an OrderedDict from pairs/, pickle('ccollections\nOrderedDict\n', text('x'), '\x85R'));
    refuses(/views something that is not a storage/, pickle('ctorch._utils\n_rebuild_tensor_v2\n)R'));
    refuses(/expected a parameter to hold a tensor/, pickle('ctorch._utils\n_rebuild_parameter\n)R'));
    refuses(/expected a persistent id of a storage/, pickle(text('storage'), 'Q'));
    refuses(/no known type/, pickle('(', text('storage'), 'ccollections\nOrderedDict\n', text('0'), 'NNtQ'));
  });
});

describe('a pickle that builds something is refused, or builds nothing', () => {
  it('attributes cannot be set on anything but a dictionary, where they are dropped', () => {
    refuses(/sets attributes of something that is not a dictionary/, pickle(']}b'));
    refuses(/sets attributes/, pickle('ccollections\nOrderedDict\n}b'));
    refuses(/sets attributes/, pickle(tensor({ count: 1, size: [1], stride: [1] }), '}b'), {
      '0': floats(1),
    });
    const state = bytesOfOpcodes('}(', text('__proto__'), '}', text('__class__'), 'N', text('get'), 'N', 'u');
    const value = parsePyTorch(zipForm(pickle('}', state, 'b')), 'x');
    expect(value).toEqual(new Map());
    expect(Object.getPrototypeOf(value)).toBe(Map.prototype);
    expect(Object.keys(value as object)).toEqual([]);
  });

  it('dictionary keys that are names of JavaScript objects are names and nothing else', () => {
    const view = tensor({ count: 1, size: [1], stride: [1] });
    const object = pickle(
      '}(',
      ...['__proto__', 'constructor', 'toString'].flatMap((n) => [text(n), view]),
      'u',
    );
    const weights = parseWeights(zipForm(object, { '0': floats(7) }), 'x');
    expect([...weights.keys()]).toEqual(['__proto__', 'constructor', 'toString']);
    expect(({} as Record<string, unknown>).shape).toBeUndefined();
  });

  it('a value of the wrong kind is named', () => {
    refuses(/appends to something that is not a list/, pickle('}Na'));
    refuses(/sets items of something that is not a dictionary/, pickle(']NNs'));
    refuses(/a dictionary key has no value/, pickle('}(Nu'));
    refuses(/a dictionary key is neither/, pickle('}]Ns'));
    refuses(/found torch\.FloatStorage/, pickle(dict('w', 'ctorch\nFloatStorage\n')));
    refuses(
      /found a storage that no tensor views/,
      pickle(dict('w', storage({ count: 1, size: [], stride: [] }))),
      {
        '0': floats(1),
      },
    );
  });
});

describe('a pickle that misuses the machine is refused', () => {
  it.each<[string, RegExp, Opcodes]>([
    ['takes from an empty stack', /takes a value that is not there/, ['\x85']],
    ['takes from below a mark', /takes a value that is not there/, ['N(\x85']],
    ['remembers nothing', /remembers a value that is not there/, ['q\x00']],
    ['recalls what it never remembered', /recalls value 9/, ['h\x09']],
    ['has no mark', /up to a mark that is not there/, ['Nt']],
    ['leaves values', /more than one value is left/, ['NN']],
    ['leaves a mark', /more than one value is left/, ['(N']],
    ['names a global by a number', /not named by strings/, ['K\x01K\x02\x93']],
    ['is of a protocol that does not exist', /expected protocol 2 to 5, found 6/, ['\x80\x06']],
    ['has an integer of -1 bytes', /integer of at most 64 bytes, found -1/, ['\x8b\xff\xff\xff\xff']],
    ['has an integer of 65 bytes', /integer of at most 64 bytes, found 65/, ['\x8a\x41', Buffer.alloc(65)]],
    ['has a string that is not UTF-8', /not UTF-8/, ['U\x01\xff']],
    ['has a string longer than the file', /expected 4294967295 more bytes/, ['X\xff\xff\xff\xff']],
    ['has a string of 2^63 bytes', /more bytes, found/, ['\x8d', Buffer.alloc(8, 0xff)]],
    [
      'has a frame longer than the file',
      /more bytes, found|pickle/,
      ['\x95\xff\xff\xff\xff\xff\xff\xff\xff'],
    ],
    ['has a global with an endless name', /longer than 256 characters/, ['c', 'x'.repeat(1000)]],
  ])('one that %s', (_, message, opcodes) => refuses(message, pickle(...opcodes)));

  it('one that ends before its end', () => {
    for (let length = 0; length < 6; length++) {
      const whole = pickle(text('a'));
      refusesFile(/more bytes, found/, zipForm(whole.subarray(0, length + 2)));
    }
  });
});

describe('a pickle bomb runs out of its allowance', () => {
  const many = (opcodes: string, count: number) => Buffer.alloc(opcodes.length * count, opcodes, 'latin1');

  it('four million dictionaries of one byte each', () =>
    refuses(/would take more than/, pickle('](', many('}', 4e6), 'e')));
  it('four million lists inside each other', () =>
    refuses(/would take more|100 levels/, pickle(many(']', 4e6), many('a', 4e6 - 1))));
  it('four million references to one value', () =>
    refuses(/would take more/, pickle(']q\x00(', many('h\x00', 4e6), 'e')));
  it('four million memo entries', () => {
    const puts = Buffer.alloc(5 * 1e6);
    for (let i = 0; i < 1e6; i++) {
      puts[5 * i] = 0x72;
      puts.writeUInt32LE(i * 4099, 5 * i + 1);
    }
    refuses(/would take more/, pickle('N', puts));
  });
  it('four million marks', () => refuses(/would take more/, pickle(many('(', 4e6))));
  it('a million ordered dictionaries of the same pairs', () => {
    const pairs = bytesOfOpcodes(
      '](',
      ...Array.from({ length: 1000 }, (_, i) => bytesOfOpcodes(text(`k${i}`), 'N\x86')),
      'e',
    );
    refuses(
      /would take more/,
      pickle('ccollections\nOrderedDict\nq\x00', pairs, '\x85q\x01(', many('h\x00h\x01R', 2e5)),
    );
  });
  it('nesting 101 levels deep, and not at 99', () => {
    const nested = (levels: number) => pickle(dict('w', many(']', levels), many('a', levels - 1)));
    refuses(/more than 100 levels/, nested(101));
    refuses(/expected a dictionary of tensors, found a list/, nested(99));
  });
  it('a list that contains itself', () =>
    refuses(/100 levels deep, or in a circle/, pickle(dict('w', ']q\x00h\x00a'))));
  it('a dictionary that contains itself', () => {
    refuses(/or in a circle/, pickle('}q\x00', text('a'), 'h\x00s'));
  });
  it('ten lists of ten lists of ten lists, thirty times', () => {
    // Each level is a tuple of ten references to the one below: few bytes, 10^30 values for who walks it as a tree.
    const level = (i: number) =>
      bytesOfOpcodes('(', many(`h${String.fromCharCode(i)}`, 10), `tq${String.fromCharCode(i + 1)}`);
    const levels = Array.from({ length: 30 }, (_, i) => level(i));
    refuses(/repeats itself to more than/, pickle('}', text('w'), '()q\x00', ...levels, 'ts'));
  });
  it('one long list as the shape of many tensors', () => {
    const call = bytesOfOpcodes('h\x00(h\x01K\x00h\x02h\x02tR');
    const object = pickle(
      'ctorch._utils\n_rebuild_tensor_v2\nq\x00',
      storage({ count: 1, size: [], stride: [] }),
      'q\x01](',
      many('K\x01', 1e5),
      'eq\x02(',
      ...Array.from({ length: 1e4 }, () => call),
    );
    refuses(/a tuple of at most 64 integers/, object, { '0': floats(1) });
  });
});

describe('a tensor that its storage cannot back is refused', () => {
  const state = (view: Parameters<typeof tensor>[0]) => pickle(dict('w', tensor(view)));
  const four = { '0': floats(1, 2, 3, 4) };
  it.each<[string, RegExp, Parameters<typeof tensor>[0]]>([
    ['too long', /reaches beyond the 4 elements/, { count: 4, size: [5], stride: [1] }],
    ['offset too far', /reaches beyond the 4 elements/, { count: 4, offset: 1, size: [4], stride: [1] }],
    ['stride too long', /reaches beyond/, { count: 4, size: [2, 2], stride: [3, 1] }],
    ['a scalar past the end', /reaches beyond/, { count: 4, offset: 4, size: [], stride: [] }],
    [
      'overflowing extents',
      /reaches beyond/,
      { count: 4, size: [2 ** 53 - 1, 2 ** 53 - 1], stride: [2 ** 53 - 1, 1] },
    ],
    [
      'a negative offset',
      /the offset of a tensor to be a non-negative integer/,
      { count: 4, offset: -1, size: [4], stride: [1] },
    ],
    ['a negative size', /the size of a tensor/, { count: 4, size: [-1], stride: [1] }],
    ['a negative stride', /the stride of a tensor/, { count: 4, offset: 3, size: [4], stride: [-1] }],
    ['a size beyond 2^53', /the size of a tensor/, { count: 4, size: [2 ** 60], stride: [0] }],
    ['fewer strides than sizes', /2 sizes and 1 strides/, { count: 4, size: [2, 2], stride: [1] }],
    [
      '65 axes',
      /tuple of at most 64/,
      { count: 4, size: Array<number>(65).fill(1), stride: Array<number>(65).fill(1) },
    ],
    [
      'a storage larger than its data',
      /expected (32 bytes|8 elements)/,
      { count: 8, size: [1], stride: [1] },
    ],
    [
      'a storage smaller than its data',
      /expected (8 bytes|2 elements)/,
      { count: 2, size: [1], stride: [1] },
    ],
    [
      'a storage that is not in the file',
      /storage '9': expected 16 bytes, found none|storage keys/,
      { key: '9', count: 4, size: [1], stride: [1] },
    ],
    [
      'a storage path that climbs',
      /storage '\.\.\/\.\.\/etc\/passwd': expected|storage keys/,
      { key: '../../etc/passwd', count: 4, size: [1], stride: [1] },
    ],
    [
      'an unknown storage class',
      /refuses global 'torch\.ComplexFloatStorage'/,
      { type: 'ComplexFloatStorage', count: 4, size: [1], stride: [1] },
    ],
    ['an expanded terabyte', /would take more/, { count: 4, size: [2 ** 20, 2 ** 20], stride: [0, 0] }],
    [
      'an expansion beyond numbers',
      /would take more/,
      { count: 4, size: Array<number>(64).fill(2 ** 52), stride: Array<number>(64).fill(0) },
    ],
  ])('%s', (_, message, view) => refuses(message, state(view), four));

  it('one storage under two types or sizes', () => {
    const one = { count: 4, size: [4], stride: [1] };
    const two = (other: Parameters<typeof tensor>[0]) =>
      pickle('}(', text('a'), tensor(one), text('b'), tensor(other), 'u');
    refuses(/'0' is F32 x 4 and F64 x 4 at once/, two({ ...one, type: 'DoubleStorage' }), four);
    refuses(/'0' is F32 x 4 and F32 x 2 at once/, two({ ...one, count: 2, size: [1] }), four);
  });

  it('a thousand expansions that are each allowed', () => {
    const big = tensor({ count: 4, size: [2 ** 20], stride: [0] });
    refuses(
      /would take more/,
      pickle('}(', ...Array.from({ length: 1000 }, (_, i) => [text(`${i}`), big]).flat(), 'u'),
      four,
    );
  });

  it('a thousand half-precision views of one storage, which would be float32 a thousand times', () => {
    const view = tensor({ type: 'HalfStorage', count: 2 ** 20, size: [2 ** 20], stride: [1] });
    const object = pickle('}(', ...Array.from({ length: 1000 }, (_, i) => [text(`${i}`), view]).flat(), 'u');
    refusesFile(/would take more/, zipForm(object, { '0': Buffer.alloc(2 ** 21) }));
  });

  it('a slice of another storage, as PyTorch before 0.4 wrote', () => {
    const id = bytesOfOpcodes(
      '(',
      text('storage'),
      'ctorch\nFloatStorage\n',
      text('0'),
      text('cpu'),
      integer(4),
      '(',
      text('1'),
      'K\x00K\x02ttQ',
    );
    const object = pickle(
      dict('w', 'ctorch._utils\n_rebuild_tensor_v2\n(', id, 'K\x00', tuple([1]), tuple([1]), '\x89NtR'),
    );
    refuses(/storage '0' is a slice of another/, object, four);
  });
});

describe('the form before PyTorch 1.6', () => {
  const object = pickle(dict('w', tensor({ count: 2, size: [2], stride: [1] })));
  const good = oldForm(object, { '0': floats(1, 2) });
  it('is read when it is right', () => {
    expect(parseWeights(good, 'x').get('w')!.data).toEqual(Float32Array.of(1, 2));
  });
  it('is refused with a wrong magic number, protocol, byte order, key list, count, or rest', () => {
    refusesFile(/no magic number/, pickle('K\x01'));
    refusesFile(/no magic number/, pickle(text('x')));
    const at = (from: string, to: string) => {
      const changed = good.toString('latin1').replace(from, to);
      return Buffer.from(changed, 'latin1');
    };
    refusesFile(/file protocol 1001, found another/, at('M\xe9\x03', 'M\xea\x03'));
    refusesFile(/found big-endian/, at('\x88s.', '\x89s.'));
    refusesFile(/list of storage keys does not fit/, oldForm(object, { '1': floats(1, 2) }));
    refusesFile(/list of storage keys does not fit/, oldForm(object, { '0': floats(1, 2), '1': floats(3) }));
    refusesFile(/storage '0': expected 2 bytes|expected 8 bytes, found none/, oldForm(object));
    refusesFile(
      /storage '0': expected 2 elements, found 3/,
      oldForm(object, { '0': floats(1, 2) }, { '0': 3 }),
    );
    refusesFile(
      /storage '0': expected 2 elements, found -1/,
      oldForm(object, { '0': floats(1, 2) }, { '0': -1 }),
    );
    refusesFile(/1 bytes follow the last storage/, Buffer.concat([good, Buffer.alloc(1)]));
    refusesFile(/expected 2 elements, found 7 of their 8 bytes: the file is cut short/, good.subarray(0, -1));
    refusesFile(/the end of the file/, good.subarray(0, -10));
  });
});

describe('an archive that is not what it says', () => {
  const object = pickle(dict('w', tensor({ count: 4, size: [4], stride: [1] })));
  const good = zipForm(object, { '0': floats(1, 2, 3, 4) });
  const LOCAL = Buffer.from('PK\x03\x04', 'latin1');
  const CENTRAL = Buffer.from('PK\x01\x02', 'latin1');
  const END = Buffer.from('PK\x05\x06', 'latin1');
  /** `good` with some bytes after the `nth` (from 0) of a record's signature replaced. */
  const edit = (signature: Buffer, nth: number, offset: number, bytes: number[] | Buffer): Buffer => {
    const copy = Buffer.from(good);
    let at = -1;
    for (let i = 0; i <= nth; i++) at = copy.indexOf(signature, at + 1);
    copy.set(bytes, at + offset);
    return copy;
  };

  it('is read when it is right', () => {
    expect(parseWeights(good, 'x').get('w')!.data).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  it.each<[string, RegExp, Buffer]>([
    ['cut short', /found no end record/, good.subarray(0, -1)],
    ['followed by rest', /found no end record/, Buffer.concat([good, Buffer.alloc(3)])],
    ['in parts', /one part/, edit(END, 0, 4, [1])],
    ['of the 64-bit form', /less than 4 GiB/, edit(END, 0, 16, [255, 255, 255, 255])],
    ['with a directory past its end', /after its end record/, edit(END, 0, 12, [255, 255, 255, 0])],
    ['with more entries than it lists', /expected 3 entries .* found 2/, edit(END, 0, 8, [3, 0, 3, 0])],
    ['with fewer entries than it lists', /goes on after its 1 entries/, edit(END, 0, 8, [1, 0, 1, 0])],
    ['with an encrypted entry', /is encrypted/, edit(CENTRAL, 0, 8, [1])],
    ['with a compressed entry', /expected stored data/, edit(CENTRAL, 0, 10, [8])],
    ['with two sizes', /expected stored data/, edit(CENTRAL, 0, 20, [1])],
    [
      'with an entry of 4 GiB',
      /which the file does not hold|contradicts/,
      edit(CENTRAL, 0, 20, [...Buffer.alloc(8, 0xfe)]),
    ],
    ['with a name past the directory', /longer than the directory/, edit(CENTRAL, 1, 28, [255, 255])],
    ['with a local header elsewhere', /has no local header at byte 1/, edit(CENTRAL, 0, 42, [1])],
    ['with a local header past the end', /has no local header/, edit(CENTRAL, 0, 42, [255, 255, 255, 255])],
    [
      'with two entries on the same data',
      /overlaps the one before|contradicts/,
      edit(CENTRAL, 1, 42, [0, 0, 0, 0]),
    ],
    ['with another name in the local header', /contradicts/, edit(LOCAL, 0, 30, Buffer.from('x'))],
    ['with another size in the local header', /contradicts/, edit(LOCAL, 0, 18, [1])],
    ['with a compressed local header', /contradicts/, edit(LOCAL, 0, 8, [8])],
    [
      'with damaged data',
      /damaged: expected CRC-32 [0-9a-f]{8}, found [0-9a-f]{8}/,
      edit(Buffer.from(floats(3, 4)), 0, 0, [1]),
    ],
  ])('%s', (_, message, bytes) => refusesFile(message, bytes));

  it('with the same name twice', () => {
    const same = zipForm(object, { '1': floats(1), '2': floats(2) });
    const renamed = Buffer.from(
      same.toString('latin1').replaceAll('archive/data/2', 'archive/data/1'),
      'latin1',
    );
    refusesFile(/'archive\/data\/1' occurs twice/, renamed);
  });

  it('with an entry inside the data of another', () => {
    // The overlap bomb: a payload that two directory records claim, each with a local header that agrees.
    const inner = zipForm(object, { '9': floats(9) });
    const innerLocal = inner.subarray(inner.lastIndexOf(LOCAL), inner.indexOf(CENTRAL));
    const innerRecord = Buffer.from(inner.subarray(inner.lastIndexOf(CENTRAL), inner.lastIndexOf(END)));
    const outer = zipForm(object, { '0': innerLocal });
    innerRecord.writeUInt32LE(outer.lastIndexOf(LOCAL), 42);
    const end = Buffer.from(outer.subarray(outer.lastIndexOf(END)));
    end.writeUInt16LE(3, 8);
    end.writeUInt16LE(3, 10);
    end.writeUInt32LE(end.readUInt32LE(12) + innerRecord.length, 12);
    const bytes = Buffer.concat([outer.subarray(0, outer.lastIndexOf(END)), innerRecord, end]);
    refusesFile(/'archive\/data\/9' overlaps the one before it/, bytes);
  });

  it('a compression bomb is refused before anything is unpacked', () => {
    const packed = deflateRawSync(Buffer.alloc(200 * MIB));
    const bytes = zipForm(object, { '0': packed });
    const central = bytes.lastIndexOf(CENTRAL);
    const local = bytes.lastIndexOf(LOCAL);
    for (const [at, shift] of [
      [central, 0],
      [local, -2],
    ]) {
      bytes.writeUInt16LE(8, at + 10 + shift);
      bytes.writeUInt32LE(200 * MIB, at + 24 + shift);
    }
    refusesFile(/expected stored data, as PyTorch writes it, found compression method 8/, bytes);
  });

  it('names that climb out of the archive are keys that nothing asks for', () => {
    const bytes = zipForm(
      object,
      { '0': floats(1, 2, 3, 4) },
      { '../../evil': floats(0), '/etc/passwd': floats(0) },
    );
    expect(parseWeights(bytes, 'x').size).toBe(1);
  });

  it('no pickle, two pickles, or big-endian data', () => {
    refusesFile(
      /one <name>\/data\.pkl in the archive, found 2/,
      zipForm(object, {}, { 'b/data.pkl': object }),
    );
    refusesFile(/found 0/, Buffer.from(good.toString('latin1').replaceAll('data.pkl', 'data.pkx'), 'latin1'));
    refusesFile(/found 0/, Buffer.concat([END, Buffer.alloc(18)]));
    refusesFile(
      /another byte order/,
      zipForm(object, { '0': floats(1, 2, 3, 4) }, { 'archive/byteorder': Buffer.from('big') }),
    );
  });

  it('control characters of a name do not reach the terminal', () => {
    const evil = pickle('cos\x1b[2J\x07\nsystem\n)R');
    refuses(/refuses global 'os\ufffd\[2J\ufffd\.system'/, evil);
  });
});

describe('a safetensors header', () => {
  const file = (header: string, data = 0) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
    return Buffer.concat([length, Buffer.from(header), Buffer.alloc(data)]);
  };
  const entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';

  it.each<[string, RegExp, Buffer]>([
    [
      'of a million tensors',
      /at most 65536 tensors/,
      file(`{${Array.from({ length: 2e5 }, (_, i) => `"${i}":${entry}`).join()}}`),
    ],
    [
      'of 65536 empty tensors',
      /found no tensor/,
      file(`{${Array.from({ length: 65536 }, (_, i) => `"${i}":${entry.replace('F32', 'I64')}`).join()}}`),
    ],
    ['of one endless name', /a string, found/, file(`{"${'名'.repeat(5e6)}`)],
    ['of nested brackets', /expected every|as a JSON object/, file(`{"a":${'['.repeat(5e6)}`)],
    ['of a long shape', /at most 64 integers/, file(`{"a":{"shape":[${'1,'.repeat(5e6)}1]}}`)],
    ['of spaces', /expected a string/, file(`{${' '.repeat(1.5e7)}`)],
    ['longer than any network needs', /there is room for 16777216/, file(`{${' '.repeat(2e7)}`)],
  ])('%s is refused at once', (_, message, bytes) => refusesFile(message, bytes));
});
