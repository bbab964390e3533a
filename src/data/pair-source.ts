/** Pair sets from plain data: how a loader thread opens the set that another thread described to it. */
import { cameraPairs, filePhotos, scenePhotos } from './camera-pairs';
import { misalignedPairs } from './misaligned-pairs';
import { filePairs, type PairSet, type PairSource } from './pairs';

export function reopenPairs(source: PairSource): PairSet {
  switch (source.kind) {
    case 'files':
      return filePairs(source.files, source.description);
    case 'camera': {
      const { photos, preset, seed, misalignment } = source;
      const opened =
        photos.kind === 'files'
          ? filePhotos(photos.files, photos.description)
          : scenePhotos(photos.count, photos.seed);
      return cameraPairs(opened, preset, seed, { misalignment });
    }
    case 'misaligned':
      return misalignedPairs(reopenPairs(source.pairs), source.preset);
  }
}

/** What the pair at `index` is made from, for messages. */
export function originOf(source: PairSource, index: number): string {
  if (source.kind === 'misaligned') return originOf(source.pairs, index);
  if (source.kind === 'files') return `${source.files[index].lr} and ${source.files[index].hr}`;
  return source.photos.kind === 'files' ? source.photos.files[index] : `drawn scene ${index}`;
}
