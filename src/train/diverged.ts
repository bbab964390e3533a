/** A loss or gradient that is not a finite number: the update was not made, the weights are those before it. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';
}
