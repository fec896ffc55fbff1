import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';
import { isDefaultStream, type StreamName } from '../../model/stream.ts';
import type { Parcel, Sent, ServiceSender } from '../outputs.ts';
import { readSent, refusal } from './read-answer.ts';
import { createPost, type PostOptions } from './service-post.ts';

export const COMPRESSIONS = ['none', 'gzip', 'zstd'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** `url`: `/logs`, or `/logs/{stream}`, is appended to its path. */
export interface ServiceSenderOptions extends PostOptions {
  /** What the service does with invalid records: leaves them out (`skip`, the default) or refuses the batch. */
  readonly invalid?: 'skip' | 'reject' | undefined;
  /** Of bodies on their way. Where the service does not take it, they go uncompressed. */
  readonly compression?: Compression | undefined;
}

export function createServiceSender(options: ServiceSenderOptions): ServiceSender {
  const { url, invalid = 'skip', notify } = options;
  const { post, close } = createPost(options);
  let compression = options.compression ?? 'none';

  async function send(parcel: Parcel): Promise<Sent> {
    const { stream, key, body, contentType, map } = parcel;
    const target = logsUrl(url, stream, { invalid, ...(map !== undefined && { map }) });
    const headers = { 'Content-Type': contentType, 'Idempotency-Key': key };
    const used = compression;
    if (used === 'none') return readSent(await post(target, body, headers));
    const packed = await PACK[used](body);
    const answer = await post(target, packed, { ...headers, 'Content-Encoding': used });
    if (answer.status !== 415 || refusal(answer).type !== 'unsupported-content-encoding') return readSent(answer);
    if (compression !== 'none') notify(`the service does not take ${used}; sending uncompressed from now on`);
    compression = 'none';
    return send(parcel);
  }

  return { send, close };
}

/** The cheapest levels: what the network saves must not cost the sender's CPU. */
const PACK: Readonly<Record<Exclude<Compression, 'none'>, (body: Buffer) => Promise<Buffer>>> = {
  gzip: (body) => promisify(gzip)(body, { level: 1 }),
  zstd: (body) => promisify(zstdCompress)(body, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
};

function logsUrl(url: URL, stream: StreamName, query: Readonly<Record<string, string>>): URL {
  const target = new URL(url);
  const path = isDefaultStream(stream) ? '/logs' : `/logs/${encodeURIComponent(stream)}`;
  target.pathname = `${target.pathname.replace(/\/(logs\/?)?$/, '')}${path}`;
  target.search = new URLSearchParams(query).toString();
  return target;
}
