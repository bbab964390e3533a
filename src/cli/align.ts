import { join } from 'node:path';
import { Command } from 'commander';
import { startEngine } from '../engine/engines';
import { FLOW_NAMES, flowAtHand, loadFlowEstimator } from '../flow/estimators';
import { readImage, writeImage } from '../image/file';
import { heat } from '../image/heat';
import type { Image } from '../image/image';
import { montage, type Panel } from '../image/montage';
import { pixelError, reduction } from '../metrics/alignment';
import { alignPair, type AlignedPair } from '../mimic/align-pair';
import { mimicConfig, mimicCorrected, type MimicConfig } from '../mimic/config';
import { measureAlignment, type LrMeasures, type LrPicture } from '../mimic/measure-alignment';
import { loadMimicModule } from '../mimic/trained-module';
import { InputError, unknownName } from '../util/errors';
import { count, ENGINE_FLAG, number } from './arguments';
import { note, print, printJson, table } from './output';

interface Flags {
  readonly run?: string;
  readonly module?: string;
  readonly mode?: string;
  readonly flow?: string;
  readonly patch?: number;
  readonly seed: number;
  readonly out: string;
  readonly json?: boolean;
  readonly engine?: string;
}

const MODES = ['released', 'corrected'];

/** `mimicsr align`: what a trained mimicking module makes of one pair, as pictures and numbers. */
export function alignCommand(): Command {
  return new Command('align')
    .description(
      'Show what a trained mimicking module makes of an LR/HR pair: mimicked LR, warped LR, error maps, numbers.',
    )
    .argument('<lr>', 'LR picture')
    .argument('<hr>', 'HR picture, 4 times its size')
    .option('--run <folder>', 'run folder of mimicsr train --process mimic')
    .option('--module <file>', "the module's weights: .safetensors, .pth or .pt")
    .option('--mode <name>', 'how weights that do not say were trained: released (default) or corrected')
    .option(
      '--flow <name>',
      `flow of the warped LR: ${FLOW_NAMES.join(', ')}, none (default: the training's)`,
    )
    .option(
      '--patch <n>',
      'go through the pair in patches of so many LR pixels, as training does',
      count('--patch'),
    )
    .option('--seed <n>', 'seed of the added noise', number('--seed'), 0)
    .option('--out <folder>', 'where the PNGs go', 'aligned')
    .option('--json', 'machine-readable output')
    .option(...ENGINE_FLAG)
    .addHelpText('after', '\nExample:\n  mimicsr align LR.png HR.png --run runs/ours --out aligned')
    .action(async (lrPath: string, hrPath: string, flags: Flags) => {
      const source = sourceOf(flags);
      const [lr, hr] = [await readImage(lrPath), await readImage(hrPath)];
      const engine = await startEngine(flags.engine);
      note(`engine ${engine.name}: ${engine.detail}`);
      const { module, config: recorded, file } = loadMimicModule(source);
      const config = configOf(recorded, flags, file);
      const flow = config.flow === 'none' ? undefined : loadFlowEstimator(config.flow);
      let pair: AlignedPair;
      try {
        pair = await alignPair(lr, hr, { module, config, flow, seed: flags.seed, patch: flags.patch });
      } finally {
        module.dispose();
        flow?.dispose();
      }
      const measures = measureAlignment(pair);
      await writePictures(flags.out, pair);
      if (flags.json) {
        printJson({ module: file, flow: config.flow, engine, measures });
        return;
      }
      report(measures, config.flow);
      print(`\npictures in ${flags.out}, side by side in ${join(flags.out, 'overview.png')}`);
    });
}

function sourceOf({ run, module }: Flags): string {
  if ((run === undefined) === (module === undefined))
    throw new InputError('give either --run FOLDER or --module FILE');
  return (run ?? module)!;
}

/** As the module was trained; the flow can be another, as it is not part of the module. */
function configOf(recorded: MimicConfig | undefined, { mode, flow }: Flags, file: string): MimicConfig {
  if (mode !== undefined && recorded !== undefined)
    throw new InputError(`--mode: ${file} says itself how it was trained`);
  if (mode !== undefined && !MODES.includes(mode)) throw unknownName('mode', mode, MODES);
  if (flow !== undefined && flow !== 'none' && !FLOW_NAMES.includes(flow as never))
    throw unknownName('flow estimator', flow, [...FLOW_NAMES, 'none']);
  const given = mode === 'corrected' ? mimicCorrected() : { flow: flowAtHand() };
  const config = recorded ?? mimicConfig(given);
  return flow === undefined ? config : { ...config, flow: flow as MimicConfig['flow'] };
}

const CAPTIONS: Readonly<Record<LrPicture, string>> = {
  lr: 'LR',
  warped: 'warped LR',
  mimicked: 'mimicked LR',
};

function report(measures: readonly LrMeasures[], flow: string): void {
  const lr = measures[0];
  const header = [
    'to the shrunk HR',
    'abs. error',
    'sq. error',
    'less, %',
    'colour',
    'off by, px',
    'noise',
    'spectrum, dB',
  ];
  const rows = measures.map((m) => [
    m.picture === 'warped' ? `${CAPTIONS.warped} (${flow})` : CAPTIONS[m.picture],
    m.absolute.toFixed(2),
    m.squared.toFixed(1),
    m.picture === 'lr' ? '' : reduction(m.squared, lr.squared).toFixed(2),
    m.colour.toFixed(2),
    m.misalignment.toFixed(3),
    m.noise.toFixed(2),
    m.picture === 'lr' ? '' : m.spectrum.toFixed(2),
  ]);
  print(table(header, rows));
  print(
    'errors and noise in grey levels of 255; less: than the LR, of the squared error; colour: CIEDE2000 through a blur;\n' +
      "off by: registration on textured pixels; spectrum: distance to the LR's",
  );
  const warped = measures.find((m) => m.picture === 'warped');
  const mimicked = measures.find((m) => m.picture === 'mimicked');
  if (warped === undefined || mimicked === undefined) return;
  print(
    `per-pixel error of the mimicked LR below the warped LR's: ${reduction(mimicked.squared, warped.squared).toFixed(2)} % squared, ` +
      `${reduction(mimicked.absolute, warped.absolute).toFixed(2)} % absolute`,
  );
}

/** White of the error maps: nearly the largest error of all of them. */
const SCALE_QUANTILE = 0.995;

async function writePictures(folder: string, pair: AlignedPair): Promise<void> {
  const { lr, warped, mimicked, shrunkHr, valid } = pair;
  const pictures: [LrPicture, Image][] = [['lr', lr]];
  if (warped !== undefined) pictures.push(['warped', warped]);
  pictures.push(['mimicked', mimicked]);
  const maps = pictures.map(([, image]) => masked(pixelError(image, shrunkHr).map, valid));
  const errors = Float32Array.from(maps.flatMap(({ data }) => [...data])).sort();
  const most = errors[Math.floor(SCALE_QUANTILE * (errors.length - 1))] || 1 / 255;
  const top: Panel[] = [{ image: shrunkHr, caption: 'shrunk HR' }];
  const scale = heat(ramp(shrunkHr.width, shrunkHr.height, most), most);
  const bottom: Panel[] = [{ image: scale, caption: `error 0 to ${(255 * most).toFixed(0)} levels` }];
  await writeImage(join(folder, 'hr-shrunk.png'), shrunkHr);
  for (const [i, [name, image]] of pictures.entries()) {
    const map = heat(maps[i], most);
    await writeImage(join(folder, `${name}.png`), image);
    await writeImage(join(folder, `error-${name}.png`), map);
    top.push({ image, caption: CAPTIONS[name] });
    bottom.push({ image: map, caption: `error of ${CAPTIONS[name]}` });
  }
  const zoom = Math.max(1, Math.floor(256 / shrunkHr.width));
  await writeImage(join(folder, 'overview.png'), await montage([top, bottom], zoom));
}

function masked(map: Image, valid: Image): Image {
  return { ...map, data: map.data.map((v, i) => v * valid.data[i]) };
}

/** 0 at the left to `most` at the right. */
function ramp(width: number, height: number, most: number): Image {
  const data = Float32Array.from({ length: width * height }, (_, i) => (most * (i % width)) / (width - 1));
  return { width, height, channels: 1, data };
}
