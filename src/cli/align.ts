import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { startEngine } from '../engine/engines';
import { FLOW_NAMES, flowAtHand, loadFlowEstimator } from '../flow/estimators';
import { readImage, writeImage } from '../image/file';
import { reduction } from '../metrics/alignment';
import { alignPair, type AlignedPair } from '../mimic/align-pair';
import { alignmentPictures, LR_CAPTIONS } from '../mimic/alignment-overview';
import { mimicConfig, type MimicConfig } from '../mimic/config';
import { measureAlignment, type LrMeasures } from '../mimic/measure-alignment';
import { loadMimicModule } from '../mimic/trained-module';
import { InputError, knownName } from '../util/errors';
import { MODE_NAMES, processInMode } from '../train/config';
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
    .option(
      '--mode <name>',
      `how weights that do not say were trained: ${MODE_NAMES.join(', ')} (default: released)`,
    )
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
      const { pictures, overview } = await alignmentPictures(pair);
      const written = [...pictures, ['overview', overview] as const].map(
        ([name, image]) => [join(flags.out, `${name}.png`), image] as const,
      );
      for (const [path] of written) refuseInput(path, [lrPath, hrPath]);
      for (const [path, image] of written) await writeImage(path, image);
      if (flags.json) {
        printJson({ module: file, flow: config.flow, engine, measures });
        return;
      }
      report(measures, config.flow);
      print(`\npictures in ${flags.out}, side by side in ${join(flags.out, 'overview.png')}`);
    });
}

/** @throws InputError where writing would replace a picture that was read */
function refuseInput(path: string, inputs: readonly string[]): void {
  if (!existsSync(path)) return;
  const file = realpathSync.native(path); // with the letters' case as the disk has it
  if (inputs.some((input) => realpathSync.native(input) === file))
    throw new InputError(`--out: ${path} is the picture that was read: choose another folder`);
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
  const chosen =
    flow === undefined ? undefined : knownName('flow estimator', flow, [...FLOW_NAMES, 'none'] as const);
  const process = processInMode('mimic', mode ?? 'released');
  const options = 'options' in process ? process.options : {};
  const config = recorded ?? mimicConfig({ ...options, flow: flowAtHand() });
  return chosen === undefined ? config : { ...config, flow: chosen };
}

function report(measures: readonly LrMeasures[], flow: string): void {
  const lr = measures[0];
  const header = [
    'to the shrunk HR',
    'abs. error',
    'sq. error',
    'below LR, %',
    'colour',
    'off by, px',
    'noise',
    'spectrum, dB',
  ];
  const rows = measures.map((m) => [
    m.picture === 'warped' ? `${LR_CAPTIONS.warped} (${flow})` : LR_CAPTIONS[m.picture],
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
    'errors and noise in grey levels of 255; below LR: by how much the squared error of the LR is reduced; colour: CIEDE2000 through a blur;\n' +
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
