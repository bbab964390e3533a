/** What a reader of a grid must know: its budget, stand-ins, and where networks and weights are not the paper's. */
import { NETWORK_NAMES } from '../networks/networks';
import { benchmarkSize, hasModel, NO_REFERENCE_METRICS } from './benchmarks';
import type { TrainingSettings } from '../train/config';
import type { GridOptions, VariantOptions } from './grid';
import { METHODS, mimicReleased } from './methods';
import type { Profile, TrainingSetName } from './profiles';

export function tableNotes(
  profile: Profile,
  sets: readonly TrainingSetName[],
  options: GridOptions,
): string[] {
  const standIns = sets.flatMap((set) => {
    const { standIn } = profile.trainingSets[set];
    return standIn === undefined ? [] : [`${set}: not the real set, but a stand-in: ${standIn}`];
  });
  return [...budget(profile, options), ...standIns, ...reduced(profile, options), ...weights(profile)];
}

export function realNotes(profile: Profile, options: GridOptions): string[] {
  return [
    ...budget(profile, options),
    `trained on ${cropsOf('DRealSR')} of five cameras; as they are, or with each HR moved by 0.4 to 1.8 LR pixels and its colours ` +
      'changed, as the simulated camera srraw-like does it',
    `tested on ${cropsOf('RealSR')} of two cameras, with the LR and HR that were taken: their own misalignment, 0.09 LR pixels, and ` +
      'colour difference are part of every score',
    ...reduced(profile, options),
    ...weights(profile),
  ];
}

/** "47 crops of DRealSR": as many as are here, as only a part of a set may be. */
function cropsOf(set: string): string {
  const crops = benchmarkSize({ name: `${set}-x4-crops`, kind: 'full-reference', lr: 'real' });
  return `${crops ?? 'the'} crops of ${set}`;
}

export function variantNotes(profile: Profile, options: VariantOptions): string[] {
  const on =
    options.data === undefined
      ? `${pairsOf(profile.camera('srraw-like'))}, or its variant that the row names`
      : pairsOf(options.data);
  return [
    ...budget(profile, options),
    `trained on ${on}`,
    ...reduced(profile, { networks: [options.network ?? 'seemore'] }),
    ...weights(profile),
  ];
}

function pairsOf(data: TrainingSettings['data']): string {
  if (data.kind === 'pairs') return `the pairs of ${data.folder}`;
  const pictures = data.kind === 'camera' ? data.photos : 'drawn scenes';
  return `${pictures} through the simulated camera ${data.preset}`;
}

/** Of scores without reference: which columns stay empty. */
export function missingModels(): string[] {
  const empty = NO_REFERENCE_METRICS.filter((metric) => !hasModel(metric)).map((metric) =>
    metric.toUpperCase(),
  );
  return empty.length === 0
    ? []
    : [`${empty.join(', ')}: empty, a model is missing: \`mimicsr data fetch niqe-pristine nrqm\``];
}

function budget(profile: Profile, { iterations }: GridOptions): string[] {
  return [
    `profile ${profile.name}: ${profile.about}`,
    ...(iterations === undefined ? [] : [`${iterations} updates a run, not the profile's`]),
  ];
}

function reduced({ networks }: Profile, options: GridOptions): string[] {
  return (options.networks ?? NETWORK_NAMES).flatMap((name) =>
    networks[name].preset === undefined
      ? []
      : [`${networks[name].label}: a smaller network than the paper's`],
  );
}

/** Networks beside the SR network that are not the paper's. */
function weights({ methods }: Profile): string[] {
  if (methods.weights === 'paper') return [];
  const { flow, colour } = mimicReleased(methods);
  const cx = METHODS.cx.process(methods);
  const features = 'options' in cx ? cx.options?.features : undefined;
  return [
    ...(flow === 'small'
      ? [
          "flow: the kit's own small network, not PWC-Net, whose warp factor W/(W-1) the released processes keep",
        ]
      : []),
    ...(colour === 'cielab' ? ['colour term: CIELAB, not CDNet'] : []),
    ...(features === 'random-orthogonal'
      ? ['CX, CoBi, Pseudo GT: features of a fixed random stack, not VGG19']
      : []),
  ];
}
