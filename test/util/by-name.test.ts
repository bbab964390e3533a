import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesByName } from '../../src/util/by-name';
import { InputError } from '../../src/util/errors';

describe('Files by name', () => {
  const clash = (first: string, second: string, name: string): string => `${first}, ${second}: ${name}`;

  it('are kept in their order, without those that have no name', () => {
    const nameOf = (path: string): string | undefined => (path.endsWith('.txt') ? undefined : basename(path));
    expect([...filesByName(['b/x', 'b/y.txt', 'a/w'], nameOf, clash)]).toEqual([
      ['x', 'b/x'],
      ['w', 'a/w'],
    ]);
  });

  it('are refused where two have one name, with both', () => {
    const two = (): unknown => filesByName(['a/x', 'b/x'], (path) => basename(path), clash);
    expect(two).toThrow(InputError);
    expect(two).toThrow('a/x, b/x: x');
  });
});
