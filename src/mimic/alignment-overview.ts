/** An aligned pair to look at: its LR pictures and their error maps on one scale (the paper's Figure 5). */
import { commonScale, heat, heatScale } from '../image/heat';
import type { Image } from '../image/image';
import { montage, type Panel } from '../image/montage';
import { pixelError } from '../metrics/alignment';
import type { AlignedPair } from './align-pair';
import { expectedLr, type LrPicture, type Truth } from './measure-alignment';

export const LR_CAPTIONS: Readonly<Record<LrPicture, string>> = {
  lr: 'LR',
  warped: 'warped LR',
  recoloured: 'warped LR, recoloured',
  mimicked: 'mimicked LR',
};

export interface AlignmentPictures {
  /** By name: the LR pictures, `error-` before it their error maps, `hr-shrunk`, and with a truth `lr-true`. */
  readonly pictures: ReadonlyMap<string, Image>;
  /** All of them with captions. */
  readonly overview: Image;
}

/**
 * Errors count where the warped LR comes from inside the picture.
 * @param truth of the shot, which errors are against; absent: the shrunk HR stands for the true LR
 */
export async function alignmentPictures(pair: AlignedPair, truth?: Truth): Promise<AlignmentPictures> {
  const { lr, warped, recoloured, mimicked, shrunkHr, valid } = pair;
  const reference = expectedLr(pair, truth);
  const referenceName = truth === undefined ? 'shrunk HR' : 'true LR';
  const shown: [LrPicture, Image][] = [['lr', lr]];
  if (warped !== undefined) shown.push(['warped', warped]);
  if (recoloured !== undefined) shown.push(['recoloured', recoloured]);
  shown.push(['mimicked', mimicked]);
  const maps = shown.map(([, image]) => pixelError(image, reference, valid).map);
  const most = commonScale(maps);
  const pictures = new Map<string, Image>([['hr-shrunk', shrunkHr]]);
  if (truth !== undefined) pictures.set('lr-true', reference);
  const top: Panel[] = [{ image: reference, caption: referenceName }];
  const scale = heatScale(reference.width, reference.height);
  const bottom: Panel[] = [
    { image: scale, caption: `off the ${referenceName}, 0 to ${(255 * most).toFixed(0)} levels` },
  ];
  for (const [i, [name, image]] of shown.entries()) {
    const map = heat(maps[i], most);
    pictures.set(name, image).set(`error-${name}`, map);
    top.push({ image, caption: LR_CAPTIONS[name] });
    bottom.push({ image: map, caption: `error of ${LR_CAPTIONS[name]}` });
  }
  const zoom = Math.max(1, Math.floor(256 / shrunkHr.width));
  return { pictures, overview: await montage([top, bottom], zoom) };
}
