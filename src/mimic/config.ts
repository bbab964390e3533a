/**
 * What the mimicking process ("Ours") is made of, as plain data: every part that an ablation switches off, and every
 * slip of the official code (omarAlezaby/Mimicked_Ali @ 27a5681) that can be corrected by itself.
 */
import { z } from 'zod';
import type { NoiseMode } from '../data/noise-image';
import { FLOW_NAMES, flowAtHand } from '../flow/estimators';
import { COLOUR_NAMES, colourAtHand } from '../losses/colour-terms';
import { parseWith } from '../util/schema';

/** False: as the official code does it. */
const correctionsSchema = z.strictObject({
  /**
   * Noise drawn on the picture: noise image made from grey levels 0..255 in RGB, and added as its difference from the
   * patch shrunk on the same grid. Released: made from values in [0,1], so rectified noise on black in BGR, and added as
   * its difference from the down-sampled HR.
   */
  noise: z.boolean().default(false),
  /**
   * One down-sampled HR, bicubic with half-pixel centres, for module, colour and flow: the grid of the 4x networks.
   * Released: bicubic with aligned corners (2.4 % larger at 32 pixels), and bilinear with aligned corners for the flow.
   */
  grid: z.boolean().default(false),
  /** Warp by exactly the flow. Released: by W / (W - 1) times the flow. */
  warp: z.boolean().default(false),
  /** Degradation loss averaged over the valid pixels. Released: over all, masked ones counting as zero. */
  mean: z.boolean().default(false),
  /** The module's learning rate follows the cosine too. Released: it stays where it starts. */
  schedule: z.boolean().default(false),
});

export const mimicSchema = z
  .strictObject({
    /** Weight of the colour term (not in the paper; the official code's); 0 without one. */
    lambda: z.number().min(0).default(0.01),
    colour: z.enum([...COLOUR_NAMES, 'none']).default('cdnet-released'),
    /** Aligns the real LR with the mimicked one; `none` compares them as they lie. */
    flow: z.enum([...FLOW_NAMES, 'none']).default('pwc-net-rgb'),
    /** Leave out pixels whose warped LR comes from outside the patch. */
    mask: z.boolean().default(true),
    /** Add noise to the mimicked LR. */
    noise: z.boolean().default(true),
    /** The module sees the real LR through its guidance network. */
    guidance: z.boolean().default(true),
    /** The real LR is given the down-sampled HR's colours before the mimicked LR is compared with it (`losses/recoloured`). */
    recolour: z.boolean().optional(),
    /** The mimicked LR is compared as softened as interpolation has made the warped LR (`losses/flow-aligned`). */
    soften: z.boolean().optional(),
    /** The down-sampled HR is antialiased (MATLAB's bicubic), as a sensor is. Paper and official code: it is not. */
    antialias: z.boolean().optional(),
    /** The module puts out what the down-sampled HR lacks, and begins near it. Paper and official code: the whole mimicked LR. */
    residual: z.boolean().optional(),
    /**
     * The down-sampled HR is what a sensor makes of the HR, the mean of linear light, and what a residual module adds to is that
     * through a lens blur, fitted to the real LR (`fitted-blur.ts`).
     */
    lens: z.boolean().optional(),
    /** The SR network gets the mimicked LR with a camera's noise and JPEG (`camera-finish.ts`), of which the module knows nothing. */
    finish: z.boolean().optional(),
    /** Keep the SR network's loss from training the module. */
    detach: z.boolean().default(true),
    /** `joint`: both train in every iteration. `module`: only the module. `frozen`: only the SR network, on a trained module. */
    phase: z.enum(['joint', 'module', 'frozen']).default('joint'),
    /** The trained module of phase `frozen`: a run folder of this process, or a weights file. */
    module: z.string().min(1).optional(),
    corrections: correctionsSchema.prefault({}),
  })
  .superRefine((config, context) => {
    const { corrections } = config;
    const refuse = (key: string, found: unknown, reason: string): void =>
      context.addIssue({ code: 'custom', path: key.split('.'), message: reason, params: { found } });
    if (config.colour === 'none' && config.lambda > 0)
      refuse('lambda', config.lambda, "weighs a colour term, but 'colour' is 'none': expected 0");
    if (config.colour !== 'none' && config.lambda === 0)
      refuse('colour', config.colour, "has weight 'lambda' 0 and would never act: expected 'none'");
    if (config.flow === 'none' && config.mask)
      refuse(
        'mask',
        true,
        'without flow nothing comes from outside, so there is nothing to mask: expected false',
      );
    if (config.soften && !corrections.warp)
      refuse('soften', true, "expects where the exact warp interpolates: expected 'corrections.warp'");
    if (config.flow === 'none' && corrections.warp)
      refuse('corrections.warp', true, 'without flow nothing is warped: expected false');
    if (config.antialias && !corrections.grid)
      refuse('antialias', true, "down-samples on the grid of the 4x networks: expected 'corrections.grid'");
    if (!config.mask && corrections.mean)
      refuse('corrections.mean', true, 'a mean over the valid pixels needs the mask: expected false');
    if (!config.noise && corrections.noise)
      refuse('corrections.noise', true, 'corrects the noise, but there is none: expected false');
    if (config.residual && config.noise && !corrections.noise)
      refuse(
        'residual',
        true,
        "the official code's noise takes the down-sampled HR away again: expected 'corrections.noise', or no noise",
      );
    if (config.lens && !(config.residual && config.antialias))
      refuse('lens', true, "blurs what a residual module adds to: expected 'residual' and 'antialias'");
    if (config.finish && (config.noise || !config.detach))
      refuse(
        'finish',
        true,
        "is noise that lets no gradient through: expected 'noise' false and 'detach' true",
      );
    if (config.phase !== 'joint' && !config.detach)
      refuse(
        'detach',
        false,
        `only in a joint training can the SR network's loss reach the module: expected true`,
      );
    if (config.phase === 'frozen' && config.module === undefined)
      refuse(
        'module',
        undefined,
        "phase 'frozen' needs a module trained before: expected a run folder or weights",
      );
    if (config.phase !== 'frozen' && config.module !== undefined)
      refuse('module', config.module, "belongs to phase 'frozen', and only to it: expected nothing");
    if (config.phase === 'frozen' && corrections.schedule)
      refuse('corrections.schedule', true, 'a frozen module has no learning rate: expected false');
  });

/** A complete configuration. */
export type MimicConfig = z.infer<typeof mimicSchema>;
/** What a user writes: what is left out takes the official code's value. */
export type MimicSettings = z.input<typeof mimicSchema>;

/** Which noise images the process needs; undefined: none. */
export function noiseMode({ noise, corrections }: MimicConfig): NoiseMode | undefined {
  if (!noise) return undefined;
  return corrections.noise ? 'repaired' : 'released';
}

/**
 * A complete, checked configuration. `{}` is the official code to the letter.
 * @throws InputError naming the key, what was expected and what was found, also for combinations without a meaning
 */
export function mimicConfig(settings: unknown = {}, source = 'mimic config'): MimicConfig {
  return parseWith<MimicConfig>(mimicSchema, settings, source);
}

/**
 * All slips corrected, with the best flow and colour term that this machine has weights for, by name: PWC-Net (fed as it
 * was trained) and CDNet, or the kit's own flow network and CIELAB, which need no download.
 */
export function mimicCorrected(): MimicSettings {
  return {
    colour: colourAtHand(),
    flow: flowAtHand(),
    corrections: { noise: true, grid: true, warp: true, mean: true, schedule: true },
  };
}

/**
 * Beyond the paper: the module begins with an antialiased HR, as a sensor would see it (`antialias`), and learns what it lacks
 * (`residual`) from real LR patches that have been given the HR's colours (`recolour`), compared as softly as they were warped
 * (`soften`). So there is no colour term, and no lambda. Nor is noise added: the paper's levels are above those of photographs,
 * and the SR network learns to smooth.
 */
export function mimicRecoloured(): MimicSettings {
  return {
    flow: flowAtHand(),
    colour: 'none',
    lambda: 0,
    noise: false,
    recolour: true,
    soften: true,
    antialias: true,
    residual: true,
    corrections: { grid: true, warp: true, mean: true, schedule: true },
  };
}

/**
 * The recoloured process whose module begins with what a sensor sees of the HR through a fitted lens blur (`lens`), and whose SR
 * network gets what it makes of that with a camera's noise and JPEG (`finish`). Ahead of the recoloured one on the simulated
 * camera, behind it on real pairs: there one lens does not fit all cameras (results/README.md).
 */
export function mimicThroughCamera(): MimicSettings {
  return { ...mimicRecoloured(), lens: true, finish: true };
}
