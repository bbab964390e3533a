/**
 * OpenCV in WebAssembly (the project's own build, as @techstark/opencv-js brings it), loaded when it is first needed:
 * image registration and dense optical flow. Only what the kit uses is declared here.
 */
import { loadPackage } from '../util/optional-package';
import type { Image } from './image';

/** A matrix in the module's memory; whoever makes one deletes it. */
export interface Mat {
  readonly rows: number;
  readonly cols: number;
  readonly data32F: Float32Array;
  delete(): void;
}

export interface OpenCv {
  readonly Mat: new (rows?: number, cols?: number, type?: number) => Mat;
  readonly TermCriteria: new (type: number, iterations: number, epsilon: number) => object;
  readonly CV_32F: number;
  readonly MOTION_EUCLIDEAN: number;
  readonly MOTION_AFFINE: number;
  /** Correlation coefficient; `warp` [2,3] maps the template's coordinates to the input's, and is refined in place. */
  findTransformECC(
    template: Mat,
    input: Mat,
    warp: Mat,
    motion: number,
    criteria: object,
    mask: Mat,
    gaussianSize: number,
  ): number;
  calcOpticalFlowFarneback(
    from: Mat,
    to: Mat,
    flow: Mat,
    pyramidScale: number,
    levels: number,
    window: number,
    iterations: number,
    polyN: number,
    polySigma: number,
    flags: number,
  ): void;
  exceptionFromPtr(pointer: number): { readonly msg: string };
}

let loading: Promise<{ readonly cv: OpenCv }> | undefined;

/** In an object: the module has a `then` that never ends, so no promise may be resolved with it. */
export function openCv(): Promise<{ readonly cv: OpenCv }> {
  loading ??= new Promise((resolve) => {
    const cv = loadPackage<OpenCv & { onRuntimeInitialized?: () => void }>('@techstark/opencv-js');
    cv.onRuntimeInitialized = () => resolve({ cv });
  });
  return loading;
}

/** A one-channel picture in the module's memory. */
export function matOf(cv: OpenCv, { width, height, data }: Image): Mat {
  const mat = new cv.Mat(height, width, cv.CV_32F);
  mat.data32F.set(data);
  return mat;
}

/** Runs `work` and deletes the matrices, also after an error. */
export function withMats<T>(mats: readonly Mat[], work: () => T): T {
  try {
    return work();
  } finally {
    for (const mat of mats) mat.delete();
  }
}
