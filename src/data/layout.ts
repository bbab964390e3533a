/**
 * Layouts of data sets: path templates of the manifests, such as `{camera}/{split}/4/{camera}_{n}_HR.png`, matched
 * against the paths in a folder or an archive.
 */
import { readdirSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { InputError } from '../util/errors';
import type { SetManifest } from './manifests';

/** What the placeholders of a template stand for in one path. */
export type Placeholders = Readonly<Record<string, string>>;

/** The paths of all files below a folder, `/` between the parts. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path), { throwIfNoEntry: false })?.isFile())
    .map((path) => path.split(sep).join('/'))
    .sort();
}

/** The paths that a template describes, each with what its placeholders stand for there. */
export function matchTemplate(template: string, paths: Iterable<string>): Map<string, Placeholders> {
  const pattern = patternOf(template);
  const matches = new Map<string, Placeholders>();
  for (const path of paths) {
    const match = pattern.exec(path);
    if (match !== null) matches.set(path, { ...match.groups });
  }
  return matches;
}

/** A placeholder is a group that stays within one name; where it comes again it is the same text. */
function patternOf(template: string): RegExp {
  const seen = new Set<string>();
  const source = template.replace(/\{(\w+)\}|[^{]+/g, (piece, name: string | undefined) => {
    if (name === undefined) return piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    if (seen.has(name)) return `\\k<${name}>`;
    seen.add(name);
    return `(?<${name}>[^/]+?)`;
  });
  return new RegExp(`^${source}$`);
}

/**
 * Checks the paths in a set's folder (or in what will become it) against its manifest.
 * @returns what differs from the stated counts, a sentence each: a copy may lack a file and still be of use
 * @throws InputError where a kind of file is not there at all: then it is another layout
 */
export function checkLayout(set: SetManifest, paths: readonly string[], where: string): string[] {
  const found = new Map(
    Object.entries(set.layout).map(([kind, template]) => [kind, matchTemplate(template, paths)]),
  );
  for (const [kind, matches] of found) {
    if (matches.size > 0) continue;
    const first = paths.slice(0, 10).join(', ');
    const more = paths.length > 10 ? ` and ${paths.length - 10} more` : '';
    throw new InputError(
      `${where} is not laid out as ${set.name}: expected ${kind} files ${set.layout[kind as keyof typeof set.layout]}, ` +
        `found ${paths.length === 0 ? 'nothing' : `${first}${more}`}`,
    );
  }
  return set.counts.flatMap(({ of, where: values = {}, files }) => {
    const counted = [...found.get(of)!.values()].filter((placeholders) =>
      Object.entries(values).every(([name, value]) => placeholders[name] === value),
    ).length;
    const which = [...Object.values(values), of].join(' ');
    return counted === files ? [] : [`expected ${files} ${which} files, found ${counted}`];
  });
}
