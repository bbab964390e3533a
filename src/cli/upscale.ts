import { existsSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { Command } from 'commander';
import { startEngine } from '../engine/engines';
import { listImages, makeImageFolder, readImage, readImageDepth, writeImage } from '../image/file';
import { DEFAULT_TILE, upscale } from '../networks/upscale';
import { filesByName } from '../util/by-name';
import { InputError } from '../util/errors';
import { ENGINE_FLAG } from './arguments';
import { addNetworkOptions, openNetwork, type NetworkFlags } from './network-source';
import type { Progress } from '../util/progress';
import { note, print, progress } from './output';

interface Flags extends NetworkFlags {
  readonly out: string;
  readonly engine?: string;
}

/** `mimicsr upscale`: pictures in, pictures of 4 times the size out. A picture that fails does not stop the others. */
export function upscaleCommand(): Command {
  return addNetworkOptions(new Command('upscale'))
    .description('Upscale pictures, in tiles where they are large.')
    .argument('<path...>', 'PNG, JPEG, WebP or TIFF files, or folders of them')
    .option('--out <folder>', 'where NAME_x4.png goes (8 or 16 bits, as the picture has)', '.')
    .option(...ENGINE_FLAG)
    .addHelpText('after', '\nExample:\n  mimicsr upscale photo.jpg --run runs/first --out upscaled')
    .action(async (paths: string[], flags: Flags) => {
      const { tile = DEFAULT_TILE } = flags;
      const images = filesByName(
        new Set(paths.flatMap(filesOf)),
        (path) => basename(path, extname(path)),
        (first, second) =>
          `${first} and ${second} would both be upscaled to one file: expected one picture a name`,
      );
      const engine = await startEngine(flags.engine);
      note(`engine ${engine.name}: ${engine.detail}`);
      const network = openNetwork(flags);
      makeImageFolder(flags.out);
      const failed: string[] = [];
      for (const [name, path] of images) {
        const target = join(flags.out, `${name}_x${network.scale}.png`);
        let bar: Progress | undefined;
        const onTile = (done: number, total: number): void => {
          bar ??= progress(basename(path), total);
          bar.update(done, 'tiles');
        };
        try {
          const { bits, alpha } = await readImageDepth(path);
          if (alpha) note(`${path}: its alpha channel is left out`);
          const sr = await upscale(network, await readImage(path), { tile, label: path, onTile });
          await writeImage(target, sr, { bits });
          print(target);
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
          failed.push(error.message);
        } finally {
          bar?.stop();
        }
      }
      network.dispose();
      if (failed.length > 0) throw new InputError(failed.join('\nmimicsr: '));
    });
}

/** The pictures in a folder, or the file itself. */
function filesOf(path: string): string[] {
  return existsSync(path) && statSync(path).isDirectory() ? listImages(path) : [path];
}
