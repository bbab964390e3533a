/**
 * The wasm engine's own kernels: what training needs and TensorFlow.js's WebAssembly backend lacks or has as plain loops.
 *
 * The module imports the memory in which that backend keeps its tensors and works on them in place: every pointer that a
 * kernel takes is the address of a tensor that the caller owns. That is safe because the module has no state at all: no
 * data segments, no stack, no allocator, no globals; scratch is a tensor that the caller makes and frees. So several
 * threads may run one kernel at a time, each on its own range of the output: the last two parameters of a kernel,
 * `begin` and `end`, say which, in the unit that its comment names. What a unit computes does not depend on the range
 * that it is part of, so results are the same bits whatever the number of threads.
 *
 * Written in AssemblyScript (TypeScript's syntax, WebAssembly's types). Arrays are float32, contiguous, NHWC; pointers and
 * steps are in bytes, sizes and ranges in elements. Loads and stores never leave the arrays.
 */
export * from './adam';
export * from './convolution';
export * from './copy';
export * from './depthwise';
export * from './depthwise-gradients';
export * from './elementwise';
export * from './filter-gradient';
export * from './gather';
export * from './gelu';
export * from './layer-norm';
export * from './place';
export { softmax } from './softmax';
export * from './sum';
export * from './window-attention';
