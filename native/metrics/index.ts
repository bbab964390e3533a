/**
 * The loops of NRQM (src/metrics/nrqm.ts) that cost billions of operations a picture, two float64 at a time.
 *
 * As the wasm engine's kernels (native/wasm): no state, all arrays belong to the caller, the last two parameters say
 * which units of the work to do, and results do not depend on how it is split. Pointers are in bytes, sizes and strides in
 * elements; arrays are float64.
 */
export * from './contrast-structure';
export * from './fft';
export * from './neighbourhood';
export * from './resize';
