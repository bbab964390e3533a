import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { bytesOfOpcodes as concat, uint32 } from '../weights/forge';

/** An entry of an archive, right or wrong. */
export interface ForgedEntry {
  readonly path: string;
  readonly data?: Buffer;
  /** Zip: Unix mode with the kind of file, 0o120777 for a symbolic link. */
  readonly mode?: number;
  /** Zip: size that the entry states, instead of its own. */
  readonly states?: number;
  /** Zip: bit 0 is "encrypted". */
  readonly flags?: number;
  /** Tar: '0' file, '1' hard link, '2' symbolic link, '3' device, '5' folder. */
  readonly type?: string;
  /** Tar: where a link leads. */
  readonly link?: string;
}

function uint16(value: number): Buffer {
  const b = Buffer.alloc(2);
  b.writeUInt16LE(value);
  return b;
}

/** A zip archive with deflated entries. */
export function zipOf(...entries: ForgedEntry[]): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { path, data = Buffer.alloc(0), mode = 0o100644, states = data.length, flags = 0 } of entries) {
    const [name, packed] = [Buffer.from(path), deflateRawSync(data)];
    const common = concat(
      uint16(20), // version needed
      uint16(flags | 0x800), // names in UTF-8
      uint16(8), // deflate
      uint32(0), // time
      uint32(crc32(data)),
      uint32(packed.length),
      uint32(states),
      uint16(name.length),
      uint16(0), // extra fields
    );
    const local = concat('PK\x03\x04', common, name, packed);
    const attributes = (mode << 16) >>> 0;
    const rest = concat(uint16(0), uint16(0), uint16(0), uint32(attributes), uint32(offset));
    directory.push(concat('PK\x01\x02', uint16((3 << 8) | 20), common, rest, name)); // made on Unix
    bodies.push(local);
    offset += local.length;
  }
  const list = concat(...directory);
  const n = uint16(entries.length);
  const end = concat(
    'PK\x05\x06',
    uint16(0),
    uint16(0),
    n,
    n,
    uint32(list.length),
    uint32(offset),
    uint16(0),
  );
  return concat(...bodies, list, end);
}

/** A tar archive (ustar). */
export function tarOf(...entries: ForgedEntry[]): Buffer {
  const blocks = entries.flatMap(({ path, data = Buffer.alloc(0), type = '0', link = '' }) => {
    const header = Buffer.alloc(512);
    const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');
    header.write(path, 0, 100);
    header.write(`${octal(0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100);
    header.write(`${octal(data.length, 11)}\0${octal(0, 11)}\0        ${type}`, 124);
    header.write(link, 157, 100);
    header.write('ustar\x0000', 257);
    header.write(
      `${octal(
        header.reduce((a, b) => a + b, 0),
        6,
      )}\0 `,
      148,
    );
    return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return concat(...blocks, Buffer.alloc(1024));
}

export function tarGzOf(...entries: ForgedEntry[]): Buffer {
  return gzipSync(tarOf(...entries));
}
