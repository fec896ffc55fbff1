// What a sender of an input writes.

import { FRAME_KINDS, HEADER_BYTES, writeHeader } from '../src/lines/frame-header.ts';
import { datum } from '../test/support/avro-bodies.ts';
import { logEntry } from '../test/support/protobuf-messages.ts';

/** `json`: in stored form; `client-json`: with the fields in the order of seed clients: timestamp, service, level, message. */
export const SENDER_FORMATS = ['json', 'client-json', 'proto', 'avro', 'raw', 'syslog'] as const;
export type SenderFormat = (typeof SENDER_FORMATS)[number];

export type SenderFraming = 'newline' | 'universal';

interface Entry {
  readonly timestamp: string;
  readonly level: string;
  readonly message: string;
  readonly service: string;
}

/** Records in a block. */
export const BLOCK_RECORDS = 2_000;
/** Bytes of a record as the marks have it. */
const RECORD_BYTES = 100;

const PAYLOADS: Readonly<
  Record<SenderFormat, { readonly kind: number; readonly write: (entry: Entry) => string | Buffer }>
> = {
  json: { kind: FRAME_KINDS.json, write: (entry) => JSON.stringify(entry) },
  'client-json': {
    kind: FRAME_KINDS.json,
    write: ({ timestamp, service, level, message }) => JSON.stringify({ timestamp, service, level, message }),
  },
  proto: { kind: FRAME_KINDS.protobuf, write: logEntry },
  avro: { kind: FRAME_KINDS.avro, write: (entry) => datum({ ...entry }) },
  raw: {
    kind: FRAME_KINDS.text,
    write: ({ timestamp, level, service, message }) => `${timestamp} [${level}] [${service}] ${message}`,
  },
  syslog: {
    kind: FRAME_KINDS.text,
    write: ({ timestamp, service, message }) => `<14>1 ${timestamp} host ${service} 1234 - - ${message}`,
  },
};

/** Whole frames of BLOCK_RECORDS records of the present hour. */
export function makeBlock({
  framing,
  format,
}: {
  readonly framing: SenderFraming;
  readonly format: SenderFormat;
}): Buffer {
  const { kind, write } = PAYLOADS[format];
  const timestamp = new Date().toISOString().replace(/\.\d+/, '');
  const records = Array.from({ length: BLOCK_RECORDS }, (_, i) => {
    const entry = { timestamp, level: 'INFO', message: `m${i}`, service: 'bench' };
    const missing = RECORD_BYTES - Buffer.byteLength(write(entry));
    return Buffer.from(write({ ...entry, message: entry.message + 'x'.repeat(Math.max(0, missing)) }));
  });
  return Buffer.concat(
    records.flatMap((record) => {
      if (framing === 'newline') return [record, Buffer.from('\n')];
      const header = Buffer.alloc(HEADER_BYTES);
      writeHeader(header, 0, kind, record.length);
      return [header, record];
    }),
  );
}
