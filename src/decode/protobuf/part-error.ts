/** A part of a message cannot be read. `message` says what and why. */
export class PartError extends Error {
  override readonly name = 'PartError';
  /** The offset in the body. */
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}
