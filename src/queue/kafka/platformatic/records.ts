import type { RecordsBatch } from '@platformatic/kafka';
import type { InRecord } from '../driver.ts';

/** Bit 5 of a record batch's attributes: a transaction marker, no data. */
const IS_CONTROL = 0x20;

/** The records of a record batch from `position` on. */
export function toInRecords(batch: RecordsBatch, position: bigint): InRecord[] {
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
