/**
 * npm run fit:niqe -- --photos FOLDER --out FILE: a pristine model of NIQE from photographs of one's own, for use where the
 * authors' may not be had. The file says what it was fitted on; scores with it compare with each other alone.
 */
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { note, print, progress } from '../src/cli/output';
import { datasetPhotos } from '../src/data/datasets';
import { readImage } from '../src/image/file';
import type { Image } from '../src/image/image';
import { fitNiqeModel } from '../src/metrics/niqe-fit';
import { writeNiqeModel } from '../src/metrics/niqe-model';
import { InputError } from '../src/util/errors';

interface Flags {
  readonly photos: string;
  readonly out: string;
  readonly program: 'pyiqa' | 'basicsr' | 'matlab';
}

async function fit({ photos, out, program }: Flags): Promise<void> {
  const files = datasetPhotos(photos).files;
  const bar = progress('photographs', files.length);
  async function* read(): AsyncGenerator<Image> {
    for (const [i, file] of files.entries()) {
      yield await readImage(file);
      bar.update(i + 1, basename(file));
    }
  }
  try {
    const model = await fitNiqeModel(read(), program);
    writeNiqeModel(out, { ...model, source: `${model.source}, ${basename(photos)}` });
    print(`${out}: ${model.blocks} blocks of ${model.images} photographs`);
  } finally {
    bar.stop();
  }
}

new Command('fit:niqe')
  .description("Fit a pristine model of NIQE on photographs. Use it with 'mimicsr score --niqe-model FILE'.")
  .requiredOption('--photos <folder>', 'folder or dataset of good photographs')
  .requiredOption('--out <file>', 'the model, .safetensors')
  .addOption(
    new Option('--program <name>', 'whose features').choices(['pyiqa', 'basicsr', 'matlab']).default('pyiqa'),
  )
  .action(fit)
  .parseAsync()
  .catch((error: unknown) => {
    note(error instanceof InputError ? error.message : String((error as Error).stack ?? error));
    process.exitCode = 1;
  });
