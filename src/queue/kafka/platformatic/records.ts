import type { Consumer, RecordsBatch } from '@platformatic/kafka';
import type { InRecord } from '../driver.ts';

export type FetchResponse = Awaited<ReturnType<Consumer['fetch']>>;

/** Bit 5 of a record batch's attributes: a transaction marker, no data. */
const IS_CONTROL = 0x20;

/** The records of a record batch from `position` on. */
function toInRecords(batch: RecordsBatch, position: bigint): InRecord[] {
  if ((batch.attributes & IS_CONTROL) !== 0) return [];
  const records: InRecord[] = [];
  for (const { offsetDelta, timestampDelta, headers, value } of batch.records) {
    const offset = batch.firstOffset + BigInt(offsetDelta);
    if (offset < position) continue;
    const texts: Record<string, string> = {};
    for (const [name, text] of headers) texts[String(name)] ??= String(text ?? '');
    records.push({ offset, timestamp: Number(batch.firstTimestamp + timestampDelta), headers: texts, value });
  }
  return records;
}

/** What a fetch gave of a partition that is read from `position` on: its records, where the next fetch begins, and whether there is more. */
export function recordsOf(
  { responses }: FetchResponse,
  { partition, position }: { readonly partition: number; readonly position: bigint },
): { readonly records: InRecord[]; readonly next: bigint; readonly hasMore: boolean } {
  const partitions = responses.flatMap((topic) => topic.partitions);
  const fetched = partitions.find(({ partitionIndex }) => partitionIndex === partition);
  const batches = fetched?.records ?? [];
  const last = batches.at(-1);
  const next = last === undefined ? position : last.firstOffset + BigInt(last.lastOffsetDelta) + 1n;
  const records = batches.flatMap((batch) => toInRecords(batch, position));
  return { records, next, hasMore: fetched !== undefined && next < fetched.highWatermark };
}
