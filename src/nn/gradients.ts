/**
 * The backward pass of a training step. TensorFlow.js's own keeps every activation and every gradient until its end; this one
 * frees each as soon as the last that needs it is done, as PyTorch does, on the same tape and gradient functions.
 */
import * as tf from '@tensorflow/tfjs-core';

/** What TensorFlow.js 4 records for each op, and where; not part of its types. */
interface TapeNode {
  readonly kernelName: string;
  readonly inputs: Readonly<Record<string, tf.Tensor>>;
  readonly outputs: readonly tf.Tensor[];
  /** Kept for the gradient. */
  readonly saved?: readonly tf.Tensor[];
  /** Gradients to the outputs -> how to make those to the inputs. Absent where the op has none. */
  readonly gradient?: (dys: readonly (tf.Tensor | null)[]) => Record<string, () => tf.Tensor>;
}

interface TapeEngine {
  readonly state: { activeTape: TapeNode[] | null; readonly gradientDepth: number };
  startTape(): void;
  endTape(): void;
}

export interface Gradients {
  readonly value: tf.Scalar;
  /** By the variables' names; without those on which the value does not depend. */
  readonly grads: Readonly<Record<string, tf.Tensor>>;
}

/**
 * `loss()` and its gradients, as `tf.variableGrads` gives them. Not inside another gradient.
 * @throws Error where an op between the variables and the loss has no gradient
 */
export function variableGradients(loss: () => tf.Scalar, variables: readonly tf.Variable[]): Gradients {
  const engine = tf.engine() as unknown as TapeEngine;
  if (engine.state.gradientDepth > 0) throw new Error('variableGradients inside another gradient');
  return tf.tidy(() => {
    engine.startTape();
    const tape = engine.state.activeTape!;
    try {
      let value: tf.Scalar;
      try {
        value = tf.tidy(loss);
      } finally {
        engine.endTape();
        engine.state.activeTape = null;
      }
      const found = backward(tape, value, variables);
      const grads: Record<string, tf.Tensor> = {};
      for (const { id, name } of variables) if (found.has(id)) grads[name] = found.get(id)!;
      return { value, grads };
    } finally {
      for (const { saved } of tape) tf.dispose([...(saved ?? [])]);
    }
  });
}

/** Walks the tape from its end and takes it apart. Returns gradients by the variables' ids. */
function backward(
  tape: TapeNode[],
  value: tf.Scalar,
  variables: readonly tf.Variable[],
): Map<number, tf.Tensor> {
  const dependent = dependsOn(tape, variables);
  const gradients = new Map<number, tf.Tensor>([[value.id, tf.onesLike(value)]]);
  // A node stays on the tape until it is done with: should it throw, what it saved is freed with the rest.
  for (let node = tape.at(-1); node !== undefined; tape.pop(), node = tape.at(-1)) {
    const { outputs, inputs, saved, gradient, kernelName } = node;
    const dys = outputs.map(({ id }) => gradients.get(id) ?? null);
    const wanted = Object.keys(inputs).filter((key) => dependent.has(inputs[key].id));
    if (wanted.length > 0 && dys.some((dy) => dy !== null)) {
      if (gradient === undefined) throw new Error(`${kernelName} has no gradient`);
      const dxs = tf.tidy(() => {
        const make = gradient(dys);
        return wanted.map((key) => make[key]());
      });
      const seen = new Set<tf.Tensor | null>([...dys, ...(saved ?? [])]);
      wanted.forEach((key, i) => {
        const dx = seen.has(dxs[i]) ? tf.clone(dxs[i]) : dxs[i]; // every entry of `gradients` is its own to free
        seen.add(dxs[i]);
        const { id } = inputs[key];
        const other = gradients.get(id);
        gradients.set(id, other === undefined ? dx : tf.add(other, dx));
        if (other !== undefined) tf.dispose([other, dx]);
      });
    }
    outputs.forEach(({ id }) => gradients.delete(id));
    tf.dispose([...dys.filter((dy) => dy !== null), ...(saved ?? [])]);
  }
  return gradients;
}

/** Ids of the variables and of everything made from them. */
function dependsOn(tape: readonly TapeNode[], variables: readonly tf.Variable[]): Set<number> {
  const ids = new Set(variables.map(({ id }) => id));
  for (const { inputs, outputs } of tape) {
    if (Object.values(inputs).some(({ id }) => ids.has(id))) outputs.forEach(({ id }) => ids.add(id));
  }
  return ids;
}
