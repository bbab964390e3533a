/**
 * A pickle machine (docs.python.org/3/library/pickletools) for the data that PyTorch writes, and no more: numbers,
 * strings, lists, tuples, dictionaries, and the few constructors that its caller names.
 *
 * A pickle is a program, and Python's machine runs whatever it names. This one runs nothing: a global is a string until
 * its caller, who knows a handful, gives it a meaning; any other is refused by name. Opcodes that PyTorch does not emit
 * (text protocols, byte strings, sets, instances, extension codes, out-of-band buffers) are refused as well.
 *
 * Time is linear in the bytes. Memory is bounded by an allowance that is charged, generously, before anything is made.
 * The value may share parts (a memo does that) but `checkTree` bounds its depth and its size when walked as a tree.
 */
import { InputError } from '../util/errors';
import { quoted } from './tensor-file';

/** What may still be allocated for a file, in bytes; a hostile file runs out of it, not the machine out of memory. */
export class Allowance {
  private left: number;

  constructor(
    private readonly label: string,
    private readonly bytes: number,
  ) {
    this.left = bytes;
  }

  charge(bytes: number): void {
    this.left -= bytes;
    if (!(this.left >= 0)) {
      throw new InputError(
        `${this.label}: refused: its content would take more than the ${this.bytes} bytes that a file of its size justifies`,
      );
    }
  }
}

/** A global by name: a token that stands for it, never the thing itself. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}

/** What the machine's caller knows. */
export interface PickleHost {
  /** Full names ("collections.OrderedDict") that a pickle may mention. */
  readonly globals: ReadonlySet<string>;
  /** The value of calling a known global. */
  call(name: string, args: readonly unknown[]): unknown;
  /** The value of a persistent id. */
  persistent(id: unknown): unknown;
}

export interface Unpickled {
  /** null, boolean, number, bigint, string, array (list or tuple), Map (dict), or what the host made. */
  readonly value: unknown;
  /** Index of the byte after the pickle. */
  readonly end: number;
}

// Bytes that V8 takes, rounded up: a slot on a growing stack with its boxed number, a list, a Map, an entry of one.
const SLOT = 40;
const LIST = 64;
const MAP = 256;
const ENTRY = 80;
const STRING = 48;
const VISITED = 160; // an entry of the walk's own record

const MAX_NAME = 256; // characters of a global's module or name
const MAX_INTEGER = 64; // bytes of a LONG
const HIGHEST_PROTOCOL = 5;

/** Runs the pickle that starts at `start`. Throws an InputError whose message starts with `label`. */
export function unpickle(
  bytes: Uint8Array,
  start: number,
  host: PickleHost,
  allowance: Allowance,
  label: string,
): Unpickled {
  const machine = new Machine(bytes, start, host, allowance, label);
  return { value: machine.run(), end: machine.at };
}

class Machine {
  private readonly view: DataView;
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  private readonly stack: unknown[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, unknown>();
  /** Index of the opcode being run, for messages. */
  private opcodeAt = 0;

  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    private readonly host: PickleHost,
    private readonly allowance: Allowance,
    private readonly label: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): unknown {
    for (;;) {
      this.opcodeAt = this.at;
      const opcode = this.bytes[this.take(1)];
      if (opcode === 0x2e) {
        // STOP
        const value = this.pop();
        if (this.stack.length > 0 || this.marks.length > 0)
          this.fail('more than one value is left at its end');
        return value;
      }
      this.step(opcode);
    }
  }

  private step(opcode: number): void {
    switch (opcode) {
      case 0x80: {
        // PROTO
        const protocol = this.bytes[this.take(1)];
        if (protocol > HIGHEST_PROTOCOL) this.fail(`expected protocol 2 to 5, found ${protocol}`);
        return;
      }
      case 0x95: // FRAME: only a hint for buffering
        this.take(8);
        return;

      case 0x4e: // NONE
        return this.push(null);
      case 0x88: // NEWTRUE
        return this.push(true);
      case 0x89: // NEWFALSE
        return this.push(false);
      case 0x4b: // BININT1
        return this.push(this.bytes[this.take(1)]);
      case 0x4d: // BININT2
        return this.push(this.view.getUint16(this.take(2), true));
      case 0x4a: // BININT
        return this.push(this.view.getInt32(this.take(4), true));
      case 0x8a: // LONG1
        return this.push(this.integer(this.bytes[this.take(1)]));
      case 0x8b: // LONG4
        return this.push(this.integer(this.view.getInt32(this.take(4), true)));
      case 0x47: // BINFLOAT, the one big-endian number
        return this.push(this.view.getFloat64(this.take(8), false));
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING, a Python 2 string
        return this.push(this.string(this.bytes[this.take(1)]));
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        return this.push(this.string(this.view.getUint32(this.take(4), true)));
      case 0x8d: // BINUNICODE8
        return this.push(this.string(Number(this.view.getBigUint64(this.take(8), true))));

      case 0x28: // MARK
        this.allowance.charge(SLOT);
        this.marks.push(this.stack.length);
        return;
      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        return this.pushList([]);
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.pushList(this.popMany(this.depth(opcode - 0x84)));
      case 0x74: // TUPLE
        return this.pushList(this.popMany(this.mark()));
      case 0x61: // APPEND
        return this.append(this.popMany(this.depth(1)));
      case 0x65: // APPENDS
        return this.append(this.popMany(this.mark()));
      case 0x7d: // EMPTY_DICT
        this.allowance.charge(MAP);
        return this.push(new Map());
      case 0x73: // SETITEM
        return this.setItems(this.popMany(this.depth(2)));
      case 0x75: // SETITEMS
        return this.setItems(this.popMany(this.mark()));

      case 0x71: // BINPUT
        return this.remember(this.bytes[this.take(1)]);
      case 0x72: // LONG_BINPUT
        return this.remember(this.view.getUint32(this.take(4), true));
      case 0x94: // MEMOIZE
        return this.remember(this.memo.size);
      case 0x68: // BINGET
        return this.recall(this.bytes[this.take(1)]);
      case 0x6a: // LONG_BINGET
        return this.recall(this.view.getUint32(this.take(4), true));

      case 0x63: // GLOBAL
        return this.global(this.line(), this.line());
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.popMany(this.depth(2));
        if (typeof module !== 'string' || typeof name !== 'string')
          this.fail('a global is not named by strings');
        return this.global(module, name);
      }
      case 0x52: {
        // REDUCE
        const [callee, args] = this.popMany(this.depth(2));
        if (!(callee instanceof PickleGlobal)) this.fail('it calls something that is not a global');
        if (!Array.isArray(args)) this.fail(`it calls ${callee.name} without a tuple of arguments`);
        if (callee.name === 'collections.OrderedDict') this.allowance.charge(MAP);
        return this.push(this.host.call(callee.name, args));
      }
      case 0x62: {
        // BUILD: attributes of a dictionary (a state dict's `_metadata`), which hold no weights, are dropped
        const [object, state] = this.popMany(this.depth(2));
        if (!(object instanceof Map) || !(state instanceof Map)) {
          this.fail('it sets attributes of something that is not a dictionary');
        }
        return this.push(object);
      }
      case 0x51: // BINPERSID
        return this.push(this.host.persistent(this.pop()));

      default:
        this.fail(`refuses opcode 0x${opcode.toString(16).padStart(2, '0')}, which PyTorch does not write`);
    }
  }

  private push(value: unknown): void {
    this.allowance.charge(SLOT);
    this.stack.push(value);
  }

  private pushList(items: unknown[]): void {
    this.allowance.charge(LIST + items.length * SLOT);
    this.push(items);
  }

  private append(items: readonly unknown[]): void {
    const list = this.stack.at(-1);
    if (!Array.isArray(list)) this.fail('it appends to something that is not a list');
    this.allowance.charge(LIST + items.length * SLOT);
    for (const item of items) list.push(item);
  }

  private setItems(items: readonly unknown[]): void {
    const map = this.stack.at(-1);
    if (!(map instanceof Map)) this.fail('it sets items of something that is not a dictionary');
    if (items.length % 2 !== 0) this.fail('a dictionary key has no value');
    this.allowance.charge(LIST + items.length * ENTRY);
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key !== 'string' && typeof key !== 'number' && typeof key !== 'boolean' && key !== null) {
        this.fail('a dictionary key is neither a string, a number, True, False nor None');
      }
      map.set(key, items[i + 1]);
    }
  }

  private remember(index: number): void {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fail('it remembers a value that is not there');
    this.allowance.charge(ENTRY);
    this.memo.set(index, this.stack.at(-1));
  }

  private recall(index: number): void {
    if (!this.memo.has(index)) this.fail(`it recalls value ${index}, which it never remembered`);
    this.push(this.memo.get(index));
  }

  private global(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!this.host.globals.has(full)) {
      this.fail(
        `refuses global ${quoted(full)}: a file of weights needs no code beyond PyTorch's tensors (save the state dict, not the module)`,
      );
    }
    this.allowance.charge(LIST);
    this.push(new PickleGlobal(full));
  }

  /** Stack index from which `count` values can be popped, none from below the last mark. */
  private depth(count: number): number {
    const from = this.stack.length - count;
    if (from < (this.marks.at(-1) ?? 0)) this.fail('it takes a value that is not there');
    return from;
  }

  private mark(): number {
    return this.marks.pop() ?? this.fail('it takes values up to a mark that is not there');
  }

  private popMany(from: number): unknown[] {
    return this.stack.splice(from);
  }

  private pop(): unknown {
    this.depth(1);
    return this.stack.pop();
  }

  /** Steps over `count` bytes; the index of the first. */
  private take(count: number): number {
    const from = this.at;
    if (count > this.bytes.length - from) {
      this.fail(`expected ${count} more bytes, found ${this.bytes.length - from}`);
    }
    this.at = from + count;
    return from;
  }

  /** A little-endian two's-complement integer of `size` bytes: a number, or a bigint if a number cannot hold it. */
  private integer(size: number): number | bigint {
    if (size < 0 || size > MAX_INTEGER)
      this.fail(`expected an integer of at most ${MAX_INTEGER} bytes, found ${size}`);
    const from = this.take(size);
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[from + i]);
    value = BigInt.asIntN(8 * size, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  private string(size: number): string {
    const from = this.take(size);
    this.allowance.charge(STRING + 2 * size);
    try {
      return this.utf8.decode(this.bytes.subarray(from, from + size));
    } catch {
      return this.fail('a string is not UTF-8');
    }
  }

  /** An ASCII line, as GLOBAL names are written. */
  private line(): string {
    const from = this.at;
    while (this.bytes[this.take(1)] !== 0x0a) {
      if (this.at - from > MAX_NAME) this.fail(`the name of a global is longer than ${MAX_NAME} characters`);
    }
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + from, this.at - 1 - from).toString(
      'latin1',
    );
  }

  private fail(what: string): never {
    throw new InputError(`${this.label}: pickle, byte ${this.opcodeAt}: ${what}`);
  }
}

const MAX_DEPTH = 100;
const MAX_NODES = 10_000_000;

/**
 * Makes sure that a value can be walked as a tree: no cycle, at most 100 levels, at most ten million nodes when shared
 * parts are counted as often as they occur, and only leaves that `isLeaf` accepts (beside plain values).
 */
export function checkTree(
  root: unknown,
  isLeaf: (value: object) => boolean,
  allowance: Allowance,
  label: string,
): void {
  const known = new Map<object, { height: number; nodes: number }>();
  const visit = (value: unknown, depth: number): { height: number; nodes: number } => {
    if (typeof value !== 'object' || value === null || isLeaf(value)) return { height: 0, nodes: 1 };
    const seen = known.get(value);
    if (depth + (seen?.height ?? 0) > MAX_DEPTH) {
      throw new InputError(
        `${label}: refused: its content is nested more than ${MAX_DEPTH} levels deep, or in a circle`,
      );
    }
    if (seen) return seen;
    if (!Array.isArray(value) && !(value instanceof Map)) {
      const what = value instanceof PickleGlobal ? value.name : 'a storage that no tensor views';
      throw new InputError(`${label}: expected tensors and plain values, found ${what}`);
    }
    allowance.charge(VISITED);
    let height = 0;
    let nodes = 1;
    for (const child of value.values()) {
      const below = visit(child, depth + 1);
      height = Math.max(height, 1 + below.height);
      nodes += below.nodes;
    }
    if (nodes > MAX_NODES) {
      throw new InputError(`${label}: refused: its content repeats itself to more than ${MAX_NODES} values`);
    }
    const result = { height, nodes };
    known.set(value, result);
    return result;
  };
  visit(root, 0);
}
