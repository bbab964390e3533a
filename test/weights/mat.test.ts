import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/util/errors';
import { parseMat, readMat } from '../../src/weights/mat';
import { NO_SHARED, SHARED, shared } from '../shared';
import { element, matBytes, matrix } from './mat-bytes';

describe('MAT-files of level 5', () => {
  const matrices = [
    { name: 'mu', shape: [1, 3], values: [1, -2.5, 1e300] },
    { name: 'a_long_name', shape: [2, 2], values: [1, 2, 3, 4] },
  ];

  test.each([true, false])('matrices come back as they were written, deflated %s', (deflated) => {
    const variables = parseMat(matBytes(matrices, deflated), 'x.mat');
    expect([...variables.keys()]).toEqual(['mu', 'a_long_name']);
    expect(variables.get('mu')).toEqual({
      kind: 'numbers',
      shape: [1, 3],
      data: Float64Array.of(1, -2.5, 1e300),
    });
  });

  test('short elements and narrow numbers are read as stored', () => {
    const header = matBytes([]);
    const short = Buffer.from([2, 0, 3, 0, 7, 8, 9, 0]); // three uint8 in the tag
    const body = Buffer.concat([
      element(6, Buffer.from(Uint32Array.of(6, 0).buffer)),
      element(5, Buffer.from(Int32Array.of(3, 1).buffer)),
      Buffer.from([1, 0, 1, 0, 0x76, 0, 0, 0]), // the name 'v'
      short,
    ]);
    const variables = parseMat(Buffer.concat([header, element(14, body)]), 'x.mat');
    expect(variables.get('v')).toEqual({ kind: 'numbers', shape: [3, 1], data: Uint8Array.of(7, 8, 9) });
  });

  test('what is no such file is refused by name', () => {
    expect(() => parseMat(new Uint8Array(10), 'x.mat')).toThrow(
      /^x\.mat: expected a little-endian MAT-file of level 5$/,
    );
    const hdf5 = Buffer.from(matBytes(matrices));
    hdf5[125] = 2;
    expect(() => parseMat(hdf5, 'x.mat')).toThrow(/level 7\.3: save it with -v7/);
    const complex = Buffer.from(matBytes(matrices, false));
    complex[128 + 8 + 9] |= 0x08;
    expect(() => parseMat(complex, 'x.mat')).toThrow(/real numbers in 'mu', found complex/);
    const wrong = { name: 'x', shape: [2, 2], values: [1, 2, 3] };
    expect(() => parseMat(matBytes([wrong]), 'x.mat')).toThrow(/4 values in 'x', found 3/);
    const nested = Array.from({ length: 40 }).reduce<Buffer>((inner) => cell(inner), matrix(matrices[0]));
    expect(() => parseMat(Buffer.concat([matBytes([]), nested]), 'x.mat')).toThrow(/nested less deeply/);
  });

  test('cut or changed bytes give an InputError or other values, never a crash', () => {
    const whole = matBytes(matrices, false);
    for (let length = 0; length < whole.length; length++) {
      // A cut between two variables is a whole file.
      if (length === 128 || length === 128 + matrix(matrices[0]).length) continue;
      expect(() => parseMat(whole.subarray(0, length), 'x.mat'), `${length} bytes`).toThrow(InputError);
    }
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const bytes = Buffer.from(whole);
        bytes[at] = value;
        try {
          parseMat(bytes, 'x.mat');
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  test.skipIf(!SHARED)(`cells of structs, as MATLAB nests them (${NO_SHARED})`, () => {
    const model = readMat(shared('goldens', 'metrics', 'nrqm_synthetic_model.mat')).get('model');
    if (model?.kind !== 'structs') throw new Error('expected a struct');
    const fields = model.structs[0];
    expect([...fields.keys()].sort()).toEqual(['linear', 'rf']);
    const forests = fields.get('rf');
    if (forests?.kind !== 'cells') throw new Error('expected cells');
    expect(forests.cells).toHaveLength(3);
    expect(forests.cells[0].kind).toBe('structs');
  });
});

function cell(inner: Buffer): Buffer {
  return element(
    14,
    Buffer.concat([
      element(6, Buffer.from(Uint32Array.of(1, 0).buffer)),
      element(5, Buffer.from(Int32Array.of(1, 1).buffer)),
      element(1, Buffer.alloc(0)),
      inner,
    ]),
  );
}
