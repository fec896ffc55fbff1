/** Bytes that are not the Avro that their schema describes. The message: where, what was expected there, and what was found. */
export class AvroFault extends Error {
  override readonly name = 'AvroFault';

  /** `offset`: in the bytes that were read. */
  constructor(offset: number, expected: string, found: string) {
    super(`byte ${offset}: expected ${expected}, found ${found}`);
  }
}
