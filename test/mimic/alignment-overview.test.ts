import { describe, expect, it } from 'vitest';
import { blankImage, type Image } from '../../src/image/image';
import { alignmentPictures } from '../../src/mimic/alignment-overview';

const SIDE = 8;
function grey(level: number, width = SIDE, height = SIDE): Image {
  const image = blankImage(width, height);
  image.data.fill(level);
  return image;
}
const valid = { ...blankImage(SIDE, SIDE, 1), data: new Float32Array(SIDE * SIDE).fill(1, SIDE) };
const pair = { lr: grey(0.2), shrunkHr: grey(0.5), mimicked: grey(0.6), warped: grey(0.4), valid };

describe('alignmentPictures', () => {
  it('has errors against the true LR where it is known, else against the shrunk HR, none where nothing counts', async () => {
    // The shot is larger than what whole patches cover of it.
    const aligned = grey(0.6, SIDE + 3, SIDE + 1);
    const known = await alignmentPictures(pair, { aligned, flow: blankImage(SIDE + 3, SIDE + 1, 2) });
    const unknown = await alignmentPictures(pair);
    const brightest = (image: Image | undefined, from: number, to: number): number =>
      Math.max(...image!.data.subarray(3 * SIDE * from, 3 * SIDE * to));
    expect(brightest(known.pictures.get('error-mimicked'), 0, SIDE)).toBe(0);
    expect(brightest(unknown.pictures.get('error-mimicked'), 1, SIDE)).toBeGreaterThan(0);
    expect(brightest(known.pictures.get('error-lr'), 1, SIDE)).toBe(1);
    expect(brightest(known.pictures.get('error-lr'), 0, 1)).toBe(0);
    expect(known.pictures.get('lr-true')!.width).toBe(SIDE);
    expect(unknown.pictures.has('lr-true')).toBe(false);
  });
});
