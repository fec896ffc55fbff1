import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { ServiceTls } from '../outputs/outputs.ts';
import type { QueryTexts } from '../query/query.ts';
import type { Io } from './command.ts';
import { firstCause, refusal } from './event-source.ts';
import { createRecordPrinter } from './record-printer.ts';

/**
 * Prints what a service answers to GET /records at `url`. Gives what its answer leaves out because it cannot be read; undefined where
 * nothing is left out. Rejects when the service refuses the query, cannot be reached, or does not finish its answer.
 */
export async function queryService(options: {
  readonly url: URL;
  readonly apiKey: string | undefined;
  readonly tls: ServiceTls;
  readonly texts: QueryTexts;
  readonly format: 'ndjson' | 'csv';
  readonly io: Io;
}): Promise<string | undefined> {
  const { url, apiKey, tls, texts, format, io } = options;
  for (const [name, value] of Object.entries({ ...texts, format })) {
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined) url.searchParams.append(name, String(one));
  }
  const printer = createRecordPrinter(io.stdout, format);
  try {
    const response = await connect(url, apiKey, tls);
    for await (const part of response) await printer.print(part as Buffer);
    if (!response.complete) throw new Error('the answer broke off');
    return response.trailers['x-logforge-damaged'];
  } catch (error) {
    const cause = error instanceof Error ? firstCause(error).message : String(error);
    const reason = cause === 'aborted' ? 'the service broke off its answer' : cause;
    throw new Error(`cannot query url=${url.origin}: ${reason}`, { cause: error });
  }
}

async function connect(url: URL, apiKey: string | undefined, tls: ServiceTls): Promise<IncomingMessage> {
  const headers = apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, { headers, agent: false, ...tls });
  request.on('error', reject);
  request.on('response', resolve);
  request.end();
  const response = await promise;
  if (response.statusCode !== 200) throw await refusal(response);
  return response;
}
