import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { acceptLicence, fetchData, hasAcceptedLicence, type FetchOptions, type Placed } from '../data/fetch';
import { importData } from '../data/import';
import { findManifest, manifests, type Manifest } from '../data/manifests';
import { dataRoot } from '../data/roots';
import { bytesText } from '../data/sizes';
import { dataStatus, pathOf, verifyData } from '../data/verify';
import { InputError } from '../util/errors';
import { prepareCommand } from './data-prepare';
import { interruptible, note, print, printJson, progress, table } from './output';

const RESUMES =
  '\nstopping; what has come is kept, and the same command goes on with it (again: stop at once)';

/** `mimicsr data`: data sets and weights, from their publishers to where the kit looks for them. */
export function dataCommand(): Command {
  return new Command('data')
    .description('Fetch, import, check and prepare data sets and weights; each with its licence.')
    .addCommand(listCommand())
    .addCommand(statusCommand())
    .addCommand(fetchCommand())
    .addCommand(importCommand())
    .addCommand(verifyCommand())
    .addCommand(prepareCommand())
    .addCommand(pathCommand())
    .addHelpText('after', '\nExample:\n  mimicsr data fetch Set5 Set14 BSD100');
}

function listCommand(): Command {
  return new Command('list')
    .description('Show what there is: purpose, size, what it may be used for.')
    .argument('[name]', 'all that is known of one')
    .option('--json', 'machine-readable output')
    .addHelpText('after', '\nExample:\n  mimicsr data list RealSR-V3')
    .action((name: string | undefined, { json }: { json?: boolean }) => {
      const listed = name === undefined ? manifests() : [findManifest(name)];
      if (json) printJson(listed);
      else if (name !== undefined) print(details(listed[0]));
      else {
        const rows = listed.map((m) => [m.name, m.kind, sizeText(m), m.licence.use, m.purpose]);
        print(table(['name', 'kind', 'download', 'use', 'for'], rows));
      }
    });
}

function statusCommand(): Command {
  return new Command('status')
    .description('Show what is here, and where.')
    .option('--json', 'machine-readable output')
    .addHelpText('after', '\nExample:\n  mimicsr data status')
    .action(({ json }: { json?: boolean }) => {
      const rows = manifests().map((m) => dataStatus(m));
      if (json) {
        printJson({ root: dataRoot(), data: rows });
        return;
      }
      print(`data root ${dataRoot()}\n`);
      const words = {
        recorded: 'here',
        found: 'here, not from mimicsr',
        partial: 'partly downloaded',
        missing: '-',
      };
      const cells = rows.map(({ name, state, bytes, at, path }) => [
        name,
        words[state],
        bytes === undefined ? '' : bytesText(bytes),
        at?.slice(0, 10) ?? '',
        path ?? '',
      ]);
      print(table(['name', 'state', 'size', 'since', 'path'], cells));
    });
}

interface FetchFlags {
  readonly acceptLicence?: boolean;
  readonly keepArchives?: boolean;
}

const ACCEPT = ['--accept-licence', 'accept the terms without being asked'] as const;

function fetchCommand(): Command {
  return new Command('fetch')
    .description('Download, check and unpack; goes on where an earlier download broke off.')
    .argument('<name...>', 'data sets and weights, see: mimicsr data list')
    .option(...ACCEPT)
    .option('--keep-archives', 'keep archives after unpacking')
    .addHelpText('after', '\nExample:\n  mimicsr data fetch Set5 cdnet --accept-licence')
    .action(async (names: string[], flags: FetchFlags) => {
      const wanted = names.map((name) => findManifest(name));
      for (const manifest of wanted) {
        if (dataStatus(manifest).path === undefined) await askForLicence(manifest, flags);
      }
      await stoppable(async (options) => {
        for (const manifest of wanted) {
          report(await fetchData(manifest, { ...options, keepArchives: flags.keepArchives }));
        }
      });
    });
}

function importCommand(): Command {
  return new Command('import')
    .description('Take in what you have: a folder, an archive or a file of weights. The original stays.')
    .argument('<name>', 'data set or weights, see: mimicsr data list')
    .argument('<path>', 'folder, archive, folder of archives, or file')
    .option(...ACCEPT)
    .addHelpText('after', '\nExample:\n  mimicsr data import Manga109 ~/manga109')
    .action(async (name: string, path: string, flags: FetchFlags) => {
      const manifest = findManifest(name);
      await askForLicence(manifest, flags);
      await stoppable(async (options) => report(await importData(manifest, path, options)));
    });
}

function verifyCommand(): Command {
  return new Command('verify')
    .description('Read everything again and compare checksums. Leaves with 1 where something differs.')
    .argument('[name...]', 'data sets and weights; without names all that is here')
    .addHelpText('after', '\nExample:\n  mimicsr data verify')
    .action(async (names: string[]) => {
      const here = (m: Manifest): boolean => ['recorded', 'found'].includes(dataStatus(m).state);
      const wanted = names.length > 0 ? names.map((name) => findManifest(name)) : manifests().filter(here);
      if (wanted.length === 0) print(`nothing to verify in ${dataRoot()}`);
      await stoppable(async ({ signal }) => {
        for (const manifest of wanted) {
          const { name, path, against, faults } = await verifyData(manifest, { signal, progress });
          print(
            `${name}: ${faults.length === 0 ? 'as it should be' : 'DIFFERS'}, ${path}, against ${against}`,
          );
          for (const fault of faults.slice(0, 10)) print(`  ${fault}`);
          if (faults.length > 10) print(`  and ${faults.length - 10} more`);
          if (faults.length > 0) process.exitCode = 1;
        }
      });
    });
}

function pathCommand(): Command {
  return new Command('path')
    .description('Print where it is, for scripts.')
    .argument('<name>', 'data set or weights')
    .addHelpText(
      'after',
      '\nExample:\n  mimicsr upscale photo.jpg --network swinir --weights "$(mimicsr data path mimic-swinir)"',
    )
    .action((name: string) => {
      const manifest = findManifest(name);
      const path = pathOf(manifest);
      if (path === undefined) {
        throw new InputError(`${manifest.name} is not here: mimicsr data fetch ${manifest.name}`);
      }
      print(path);
    });
}

/** Shows the terms and has them accepted, once; where nobody can answer, the flag must. */
async function askForLicence(manifest: Manifest, { acceptLicence: accepted }: FetchFlags): Promise<void> {
  if (hasAcceptedLicence(manifest)) return;
  const { name, licence } = manifest;
  note(`${name} (${licence.use}): ${licence.terms}${licence.url === undefined ? '' : ` ${licence.url}`}`);
  if (!accepted && process.stdin.isTTY) {
    const ask = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await ask.question('Do you accept these terms? [y/N] ').finally(() => ask.close());
    if (!/^y(es)?$/i.test(answer.trim())) throw new InputError(`${name}: terms not accepted, nothing done`);
    accepted = true;
  }
  if (accepted) await acceptLicence(manifest); // else the library refuses, with the terms
}

/** Work with progress and notes that Ctrl-C stops. */
async function stoppable(work: (options: FetchOptions) => Promise<void>): Promise<void> {
  await interruptible(async (signal) => {
    try {
      await work({ signal, progress, log: note });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }, RESUMES);
}

function report({ path, already, notes }: Placed): void {
  print(already ? `${path} (was there)` : path);
  for (const text of notes) note(`  note: ${text}`);
}

/** All that its manifest says, in words. */
function details(manifest: Manifest): string {
  const { name, title, purpose, homepage, citation, licence, manual, notes = [] } = manifest;
  const lines = [
    ['name', `${name}: ${title}`],
    ['for', purpose],
    ['use', `${licence.use}: ${licence.terms}`],
    ['homepage', homepage],
    ['cite', citation],
    ['download', sizeText(manifest)],
    ...(manifest.kind === 'dataset' ? [['split', manifest.split]] : []),
    ...notes.map((text) => ['note', text]),
    ...(manual ?? []).map((step, i) => [i === 0 ? 'by hand' : '', `${i + 1}. ${step}`]),
  ];
  return lines.map(([key, text]) => `${key.padEnd(10)}${text}`).join('\n');
}

function sizeText(manifest: Manifest): string {
  const files = manifest.kind === 'dataset' ? manifest.archives : [manifest.download ?? []].flat();
  if (files.length === 0) return 'by hand';
  const sizes = files.map((file) => file.bytes ?? file.bytesAbout);
  if (sizes.includes(undefined)) return 'unknown size';
  const exact = files.every((file) => file.bytes !== undefined);
  return `${exact ? '' : 'about '}${bytesText(sizes.reduce((sum: number, size) => sum + size!, 0))}`;
}
