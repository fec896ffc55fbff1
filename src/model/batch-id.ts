/**
 * The name of one accepted batch: `producer:sequence`, as `6f1c…-9b2e:41`. Given once, before the batch is first sent,
 * and kept when it is sent again, so that the storing side can tell a resend from a new batch. A producer is
 * one run of one process (a UUID), so two runs never give the same id. The sequence grows by one a batch.
 */
export type BatchId = string;

/** Makes the ids of one producer. */
export function createBatchIds(producer: string): () => BatchId {
  let sequence = 0;
  return () => `${producer}:${sequence++}`;
}

/** The producer and the sequence of an id; undefined for any other text. */
export function parseBatchId(id: BatchId): { readonly producer: string; readonly sequence: number } | undefined {
  const colon = id.lastIndexOf(':');
  const digits = id.slice(colon + 1);
  if (colon < 1 || !/^\d{1,15}$/.test(digits)) return undefined;
  return { producer: id.slice(0, colon), sequence: Number(digits) };
}
