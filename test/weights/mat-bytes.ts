import { deflateSync } from 'node:zlib';

/** Hand-made MAT-files, right and wrong, for the reader's tests. */

export interface MatMatrix {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** A file of double matrices, each deflated or as it is. */
export function matBytes(matrices: readonly MatMatrix[], deflated = true): Buffer {
  const header = Buffer.alloc(128, ' ');
  header.set([0, 1, 0x49, 0x4d], 124);
  const variables = matrices.map((m) => (deflated ? element(15, deflateSync(matrix(m)), false) : matrix(m)));
  return Buffer.concat([header, ...variables]);
}

/** A double matrix as an array element. */
export function matrix({ name, shape, values }: MatMatrix): Buffer {
  return element(
    14,
    Buffer.concat([
      element(6, Buffer.from(Uint32Array.of(6, 0).buffer)),
      element(5, Buffer.from(Int32Array.from(shape).buffer)),
      element(1, Buffer.from(name, 'latin1')),
      element(9, Buffer.from(Float64Array.from(values).buffer)),
    ]),
  );
}

export function element(type: number, body: Uint8Array, padded = true): Buffer {
  const tag = Buffer.from(Uint32Array.of(type, body.length).buffer);
  return Buffer.concat([tag, body, Buffer.alloc(padded ? (8 - (body.length % 8)) % 8 : 0)]);
}
