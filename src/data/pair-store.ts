/**
 * Decoded pairs in memory that all threads share: each pair is loaded once, by whichever thread needs it first, and the
 * others wait for it. A pair that finds no room is loaded again at each use; what is kept stays. (Epochs visit every pair
 * once in ever new orders: throwing out the least recently used for the newest would lose just what comes next.)
 *
 * One block of memory, filled from its start; the system gives its pages as they are written. A table has a row a pair.
 */
import type { Pair, Pixels } from './pairs';

/** A pair's pictures. */
export type Pictures = Pick<Pair, 'lr' | 'hr'>;

/** What travels to another thread. */
export interface SharedPairs {
  readonly table: SharedArrayBuffer;
  readonly pixels: SharedArrayBuffer;
}

/** Values of a row of the table: sizes in pixels, the place in units of `UNIT` bytes. */
const ROW = { state: 0, place: 1, lrWidth: 2, lrHeight: 3, hrWidth: 4, hrHeight: 5, length: 6 } as const;
const STATE = { absent: 0, loading: 1, kept: 2, noRoom: 3 } as const;
const UNIT = 64;

export class PairStore {
  private readonly table: Int32Array;
  /** Place in the table of the number of units in use. */
  private readonly used: number;

  constructor(readonly shared: SharedPairs) {
    this.table = new Int32Array(shared.table);
    this.used = this.table.length - 1;
  }

  /** An empty store for `pairs` pairs and at most `bytes` bytes; for less where the system does not give that much. */
  static create(pairs: number, bytes: number): PairStore {
    const table = new SharedArrayBuffer((pairs * ROW.length + 1) * Int32Array.BYTES_PER_ELEMENT);
    return new PairStore({ table, pixels: reserve(Math.floor(bytes / UNIT) * UNIT) });
  }

  /** The pictures of the pair at `index`: from memory, else by `load`. A failed load is tried again at the next call. */
  async get(index: number, load: () => Promise<Pictures>): Promise<Pictures> {
    const { table } = this;
    const row = index * ROW.length;
    for (;;) {
      switch (Atomics.compareExchange(table, row, STATE.absent, STATE.loading)) {
        case STATE.absent:
          return this.loadInto(row, load);
        case STATE.loading:
          await changeOf(table, row, STATE.loading);
          break;
        case STATE.kept:
          return this.read(row);
        default:
          return load();
      }
    }
  }

  private async loadInto(row: number, load: () => Promise<Pictures>): Promise<Pictures> {
    let state: number = STATE.absent;
    try {
      const pictures = await load();
      state = this.write(row, pictures) ? STATE.kept : STATE.noRoom;
      return pictures;
    } finally {
      Atomics.store(this.table, row, state);
      Atomics.notify(this.table, row);
    }
  }

  private write(row: number, { lr, hr }: Pictures): boolean {
    const { table, shared } = this;
    const units = Math.ceil((lr.data.length + hr.data.length) / UNIT);
    const place = this.take(units);
    if (place === undefined) return false;
    table.set([place, lr.width, lr.height, hr.width, hr.height], row + ROW.place);
    const bytes = new Uint8Array(shared.pixels, place * UNIT, units * UNIT);
    bytes.set(lr.data);
    bytes.set(hr.data, lr.data.length);
    return true;
  }

  /** The place of that many free units, which are then in use; undefined where there are not so many. */
  private take(units: number): number | undefined {
    const { table, used, shared } = this;
    for (;;) {
      const place = Atomics.load(table, used);
      if ((place + units) * UNIT > shared.pixels.byteLength) return undefined;
      if (Atomics.compareExchange(table, used, place, place + units) === place) return place;
    }
  }

  private read(row: number): Pictures {
    const at = (column: number): number => this.table[row + column];
    const picture = (place: number, width: number, height: number): Pixels => {
      return { width, height, data: new Uint8Array(this.shared.pixels, place, width * height * 3) };
    };
    const place = at(ROW.place) * UNIT;
    const lr = picture(place, at(ROW.lrWidth), at(ROW.lrHeight));
    return { lr, hr: picture(place + lr.data.length, at(ROW.hrWidth), at(ROW.hrHeight)) };
  }
}

function reserve(bytes: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes);
  } catch (error) {
    if (bytes === 0 || !(error instanceof RangeError)) throw error;
    return reserve(Math.floor(bytes / 2 / UNIT) * UNIT);
  }
}

/** Returns once the value at `index` is no longer `value`; the thread does other work meanwhile. */
async function changeOf(values: Int32Array, index: number, value: number): Promise<void> {
  await (Atomics as unknown as AsyncWaiting).waitAsync(values, index, value).value;
}

/** What TypeScript's ES2023 library does not know yet. */
interface AsyncWaiting {
  waitAsync(values: Int32Array, index: number, value: number): { readonly value: Promise<string> | string };
}
