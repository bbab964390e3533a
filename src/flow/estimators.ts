/** The flow estimators by name. */
import { existsSync } from 'node:fs';
import { findWeights } from '../data/roots';
import { knownName } from '../util/errors';
import type { FlowEstimator } from './estimator';
import { PwcNet } from './pwcnet';
import { RaftSmall } from './raft-small';
import { SmallFlow } from './small';

const PWC_NET_FILES = ['pwc-net.pth', 'pwc-net.safetensors'];
const RAFT_SMALL_FILES = ['raft-small.safetensors', 'raft-small.pth'];

/** A frozen network is a `Module`, so it can be disposed. */
export type LoadedEstimator = FlowEstimator & { dispose(): void };

const LOADERS = {
  /** As the paper's code runs it. */
  'pwc-net-rgb': (path = findWeights(PWC_NET_FILES)): LoadedEstimator =>
    PwcNet.load(path, { channelOrder: 'rgb' }),
  /** In the channel order that its weights were trained with. */
  'pwc-net-bgr': (path = findWeights(PWC_NET_FILES)): LoadedEstimator =>
    PwcNet.load(path, { channelOrder: 'bgr' }),
  'raft-small': (path = findWeights(RAFT_SMALL_FILES)): LoadedEstimator => RaftSmall.load(path),
  /** The kit's own; its weights come with it. */
  small: (path?: string): LoadedEstimator => SmallFlow.load(path),
} as const;

export type FlowName = keyof typeof LOADERS;
export const FLOW_NAMES = Object.keys(LOADERS) as FlowName[];

/**
 * An estimator with its weights.
 * @param path the weights' file; by default under its usual name in a data root's `weights` folder
 * @throws InputError for an unknown name, and for weights that are missing (saying what brings them) or do not fit
 */
export function loadFlowEstimator(name: string, path?: string): LoadedEstimator {
  return LOADERS[knownName('flow estimator', name, FLOW_NAMES)](path);
}

/**
 * What to use where a configuration leaves the choice to the machine: PWC-Net as it was trained if its weights are here,
 * else the kit's own. Ask once, when the configuration is made, and store the answer.
 */
export function flowAtHand(): FlowName {
  return existsSync(findWeights(PWC_NET_FILES)) ? 'pwc-net-bgr' : 'small';
}
