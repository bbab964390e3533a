import { lumaBasicsr } from '../image/colour';
import type { Image } from '../image/image';
import { toUint8 } from '../image/quantise';
import type { FullReferenceProtocol, Metric } from './metric';
import { cropPair, fullReferenceMetric, fullReferenceName, PAPER_PROTOCOL } from './metric';

/**
 * Peak signal-to-noise ratio as BasicSR's `calculate_psnr` (the copy in zhengchen1999/DAT scored the paper's tables):
 * both pictures as 8-bit integers, cropped, then 20 log10(255 / sqrt(mse)) over all pixels and channels together.
 *
 * BasicSR sums the luma's squares in float32, here it is float64: up to 1e-6 dB apart.
 */

/**
 * PSNR in dB of two RGB pictures in [0,1], which are quantised by `toUint8` first; Infinity where they are then equal.
 * @throws InputError if the sizes differ, nothing is left after the crop, or a value is not finite.
 */
export function psnr(
  image: Image,
  reference: Image,
  protocol: FullReferenceProtocol = PAPER_PROTOCOL,
): number {
  const [a, b] = cropPair(image, reference, protocol.crop, 1).map((part) => {
    const rgb = toUint8(part);
    return protocol.y ? lumaBasicsr(rgb) : rgb;
  });
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return 20 * Math.log10(255 / Math.sqrt(sum / a.length));
}

/** PSNR as a `Metric`. */
export function psnrMetric(protocol: FullReferenceProtocol = PAPER_PROTOCOL): Metric {
  return fullReferenceMetric(fullReferenceName('PSNR', protocol), (a, b) => psnr(a, b, protocol));
}
