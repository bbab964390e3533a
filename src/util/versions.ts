/** What ran: recorded beside every run and result. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Folder of the checkout (or of the installed package): the one above `src/` or `dist/`. */
export const PACKAGE_ROOT = resolve(__dirname, '..', '..');

/** The `mimicsr` command, for node. */
export const MIMICSR_BIN = join(PACKAGE_ROOT, 'vendor', 'mimicsr', 'bin.js');

export interface Versions {
  readonly mimicsr: string;
  /** Commit of the checkout, with "+changes" where files differ from it; "unknown" outside a checkout. */
  readonly commit: string;
  readonly node: string;
  readonly platform: string;
}

export function versions(): Versions {
  const manifest = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as {
    version: string;
  };
  return {
    mimicsr: manifest.version,
    commit: commit(),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  };
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: PACKAGE_ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    return (
      git('rev-parse', 'HEAD') +
      (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+changes')
    );
  } catch {
    return 'unknown';
  }
}
