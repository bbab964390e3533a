/**
 * An aligned pair in numbers: how the real LR, the warped LR and the mimicked LR lie on the HR in geometry and colour,
 * and whether they are degraded as the real LR is. With a shot of the simulated camera against its truth, else against
 * the shrunk HR.
 */
import type { CameraShot } from '../data/camera';
import { cropImage, type Image } from '../image/image';
import { colourError, endPointError, pixelError, shownMisalignment, staysInside } from '../metrics/alignment';
import { noiseLevel, spectrumDistance } from '../metrics/degradation-fidelity';
import type { AlignedPair } from './align-pair';

export type LrPicture = 'lr' | 'warped' | 'recoloured' | 'mimicked';

/** Of one LR picture, over the pixels where the warped LR comes from inside the picture. */
export interface LrMeasures {
  readonly picture: LrPicture;
  /** LR pixels between the true flow and what was done about it: for the real LR nothing. Only with a truth, not for `mimicked`. */
  readonly endPoint?: number;
  /** LR pixels that the picture shows itself to be off by; see `shownMisalignment`. */
  readonly misalignment: number;
  /** CIEDE2000 through a slight blur; see `colourError`. */
  readonly colour: number;
  /** Mean absolute error, grey levels of 255. */
  readonly absolute: number;
  /** Mean squared error, squared grey levels. */
  readonly squared: number;
  /** Deviation of the noise, grey levels of 255. */
  readonly noise: number;
  /** Distance of the spectrum to the real LR's, dB. */
  readonly spectrum: number;
}

/** What the simulated camera knows. */
export type Truth = Pick<CameraShot, 'aligned' | 'flow'>;

/**
 * @param truth of the shot; absent: the shrunk HR stands for the true LR, and there is no true flow
 */
export function measureAlignment(pair: AlignedPair, truth?: Truth): LrMeasures[] {
  const { lr, warped, recoloured, mimicked, displacement, valid } = pair;
  const aligned = expectedLr(pair, truth);
  const flow = truth && covered(truth.flow, lr);
  const still = { ...valid, channels: 2, data: new Float32Array(2 * valid.data.length) };

  const measures = (picture: LrPicture, image: Image, moved?: Image): LrMeasures => {
    const { absolute, squared } = pixelError(image, aligned, valid);
    return {
      picture,
      ...(flow === undefined || moved === undefined
        ? {}
        : { endPoint: endPointError(moved, flow, both(valid, staysInside(flow))) }),
      misalignment: shownMisalignment(image, aligned, valid),
      colour: colourError(image, aligned, valid),
      absolute,
      squared,
      noise: noiseLevel(image),
      spectrum: spectrumDistance(image, lr),
    };
  };
  return [
    measures('lr', lr, still),
    ...(warped === undefined ? [] : [measures('warped', filled(warped, lr, valid), displacement)]),
    ...(recoloured === undefined
      ? []
      : [measures('recoloured', filled(recoloured, lr, valid), displacement)]),
    measures('mimicked', mimicked),
  ];
}

/**
 * What errors are against: what the camera would have taken without movement and colour change, where the pair covers it;
 * without a truth the shrunk HR.
 */
export function expectedLr({ lr, shrunkHr }: AlignedPair, truth?: Truth): Image {
  return truth === undefined ? shrunkHr : covered(truth.aligned, lr);
}

/** A pair covers the shot in whole patches, from its top left. */
function covered(image: Image, by: Image): Image {
  return cropImage(image, 0, 0, by.width, by.height);
}

/** Blur and registration look at surroundings: where the warped LR is black, the LR as it lies. */
function filled(warped: Image, lr: Image, valid: Image): Image {
  return {
    ...warped,
    data: warped.data.map((v, i) => (valid.data[Math.floor(i / 3)] === 0 ? lr.data[i] : v)),
  };
}

function both(a: Image, b: Image): Image {
  return { ...a, data: a.data.map((v, i) => v * b.data[i]) };
}
