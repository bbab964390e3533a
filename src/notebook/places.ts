/** Where notebooks find and leave things: folders of the checkout, wherever the notebook itself lies. */
import { join, relative } from 'node:path';
import { PACKAGE_ROOT } from '../util/versions';

/** Run folders. */
export const RUNS = process.env.MIMICSR_RUNS || join(PACKAGE_ROOT, 'runs');
/** Results, one folder a profile. */
export const RESULTS = process.env.MIMICSR_RESULTS || join(PACKAGE_ROOT, 'results');

/** A path as a notebook shows it: from the checkout on where it lies in it, so that kept outputs name no one's folders. */
export function shownPath(path: string): string {
  const inside = relative(PACKAGE_ROOT, path);
  return inside.startsWith('..') ? path : inside;
}
