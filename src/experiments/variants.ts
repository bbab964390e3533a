/** The mimicking process taken apart: which of its parts can be switched off, and which slips can be corrected. */
import { colourAtHand } from '../losses/colour-terms';
import { mimicConfig, mimicCorrected, mimicRecoloured, type MimicSettings } from '../mimic/config';

/** The official code's slips; see `mimic/config`. */
export const CORRECTIONS = ['noise', 'grid', 'warp', 'mean', 'schedule'] as const;
export type Correction = (typeof CORRECTIONS)[number];

interface Switch {
  readonly off: MimicSettings;
  /** Corrections of what is then no longer there. */
  readonly pointless?: readonly Correction[];
}

/** The parts, and what leaving each out means. */
const SWITCHES = {
  colour: { off: { lambda: 0, colour: 'none' } },
  flow: { off: { flow: 'none', mask: false }, pointless: ['warp', 'mean'] },
  mask: { off: { mask: false }, pointless: ['mean'] },
  noise: { off: { noise: false }, pointless: ['noise'] },
  guidance: { off: { guidance: false } },
  detach: { off: { detach: false } },
} as const satisfies Record<string, Switch>;

export type SwitchName = keyof typeof SWITCHES;
export const SWITCH_NAMES = Object.keys(SWITCHES) as SwitchName[];

/** A process without some of its parts. */
export function without(process: MimicSettings, names: readonly SwitchName[]): MimicSettings {
  const parts: Switch[] = names.map((name) => SWITCHES[name]);
  const pointless = parts.flatMap(({ pointless = [] }) => pointless);
  return Object.assign({}, process, ...parts.map(({ off }) => off), {
    corrections: { ...process.corrections, ...Object.fromEntries(pointless.map((name) => [name, false])) },
  }) as MimicSettings;
}

/**
 * A process with another value of one of its options. A value that leaves a part out (lambda 0, flow 'none') leaves out with it
 * what would never act without that part.
 */
export function withOption(
  process: MimicSettings,
  option: string,
  value: number | string | boolean,
): MimicSettings {
  const parts = SWITCH_NAMES.filter(
    (name) => (SWITCHES[name].off as Record<string, unknown>)[option] === value,
  );
  const size = (name: SwitchName): number => Object.keys(SWITCHES[name].off).length;
  const [part] = parts.sort((a, b) => size(a) - size(b)); // without a mask there is still flow
  return part === undefined ? { ...process, [option]: value } : without(process, [part]);
}

/** The recoloured process whose module begins with what a sensor sees of the HR through a fitted lens blur. */
export function recolouredThroughLens(): MimicSettings {
  return { ...mimicRecoloured(), lens: true };
}

/** The recoloured process with each of its steps beyond the corrected one taken back, by what it is then. */
export function recolouredTakenBack(): Readonly<Record<string, MimicSettings>> {
  const [recoloured, { lambda, corrections }] = [mimicRecoloured(), mimicConfig(mimicCorrected())];
  return {
    'not antialiased': { ...recoloured, antialias: undefined },
    'module not residual': { ...recoloured, residual: undefined },
    'not softened': { ...recoloured, soften: undefined },
    'colour term in place of recolouring': {
      ...recoloured,
      recolour: undefined,
      colour: colourAtHand(),
      lambda,
    },
    'with noise': { ...recoloured, noise: true, corrections },
  };
}
