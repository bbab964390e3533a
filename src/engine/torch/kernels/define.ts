import type * as tf from '@tensorflow/tfjs-core';

/** tfjs-core's `...Inputs` types let every tensor be undefined; a kernel gets the ones that its name asks for. */
export type Given<Inputs> = { [Key in keyof Inputs]: NonNullable<Inputs[Key]> };

/**
 * Registers one kernel: its TensorFlow.js name, and how to call the addon. Inputs and attributes are typed by the
 * `...Inputs` and `...Attrs` types of tfjs-core.
 */
export type Define = <Inputs, Attrs = unknown>(
  name: string,
  body: (inputs: Given<Inputs>, attrs: Attrs) => tf.TensorInfo | tf.TensorInfo[],
) => void;
