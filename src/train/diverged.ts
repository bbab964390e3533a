/** A loss or gradient that is not a finite number. A network whose own gradient it is keeps the weights from before. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';
}
