import { z } from 'zod';
import { json, type OperationDoc, problem } from './api-operation.ts';
import { component } from './api-schemas.ts';

const text = z.string();
const count = z.int().min(0);

/** The parameters of GET /store/log. model/line-store.ts says what a name is. */
export const storeLogParameters = z.object({
  host: text.describe('The host, as it was sent.'),
  file: text.describe('The file, as it was sent.'),
  generation: text
    .optional()
    .describe('A generation of the file; empty for lines that were sent without one. Default: the newest.'),
  from: text.optional().describe('Only lines of this number or a higher one. Default: 0.'),
  to: text.optional().describe('Only lines of a lower number. Default: to the last line.'),
});

const lineBatch = component(
  'LineBatch',
  z.looseObject({
    batch: z
      .array(
        z.looseObject({
          host: text.describe('1 to 4096 bytes.'),
          file: text.describe('1 to 4096 bytes.'),
          'line-num': count.describe('From 0.'),
          content: text.describe('Without the newline. At most store.maxLineBytes.'),
          generation: text
            .optional()
            .describe('What tells one content of the file from another, such as after a rotation. At most 256 bytes.'),
          uuid: text.optional().describe('Ignored.'),
        }),
      )
      .describe('Lines of any hosts and files.'),
    size: count.optional().describe('How many lines there are.'),
  }),
);

const logList = component(
  'LogList',
  z.object({
    files: z.array(
      z.object({
        host: text,
        file: text,
        generation: text.optional(),
        lines: count.describe('How many it has.'),
        last: count.describe('Its highest number.'),
      }),
    ),
  }),
);

const off = 'The line store is off (store.enabled).';

/** The routes of the line store. */
export const storeOperations: readonly OperationDoc[] = [
  {
    path: '/store/batch',
    method: 'post',
    id: 'postStoreBatch',
    summary: 'Store lines by host, file and number',
    description:
      'Answers 200 when all lines of the batch are synced. Any other answer means that none of them is; only after a time-out they may be. ' +
      'A line that was stored before is overwritten, so a batch may be sent again. Members of other names are ignored. ' +
      'Bodies may be compressed (Content-Encoding: gzip, deflate, br or zstd).',
    requestBody: {
      'application/json': {
        schema: lineBatch,
        example: '{"batch":[{"host":"web1","file":"/var/log/app.log","line-num":0,"content":"started"}],"size":1}',
      },
    },
    answers: {
      200: json('Stored and synced.', component('StoredLines', z.object({ stored: count.describe('Lines.') })), [
        'X-GUID',
      ]),
      400: problem('The body is no batch, or a line is wrong: `errors` names the line and the member.', ['X-GUID']),
      403: problem('The API key has another class, or the server only reads.'),
      404: problem(off),
      408: problem('The body did not arrive in time.'),
      413: problem('The body is too large, as sent or as decoded.'),
      415: problem('The Content-Type or Content-Encoding is not supported.'),
      417: problem('The Expect header is not 100-continue.'),
      429: problem('Too many requests with this key, from this address, or with a wrong key.', ['Retry-After']),
      501: problem('The Transfer-Encoding is not chunked.'),
      503: problem('The lines cannot be stored now: too many request bytes in flight, disk full, or draining.', [
        'Retry-After',
      ]),
    },
  },
  {
    path: '/store/log',
    method: 'get',
    id: 'getStoreLog',
    summary: 'The lines of one file, in the order of their numbers',
    description:
      'Each line and a newline. The answer is sent as the client reads it; it has what was stored when it began. Two trailers follow it: X-Lines, the lines ' +
      'sent, and X-Missing-Lines, the numbers of the range, up to the highest that is stored, which no line has. ' +
      'A client that takes less than 1 MiB in 30 s of waiting for it is disconnected.',
    parameters: storeLogParameters,
    answers: {
      200: { description: 'The lines.', headers: ['X-GUID'], content: { 'text/plain': text } },
      400: problem('A parameter is missing or invalid.', ['X-GUID']),
      404: problem(`There is no such file or generation: \`key not found HOST FILE\`. Or: ${off}`, ['X-GUID']),
      503: problem('The lines cannot be read now, too many logs are being read, or the service is shutting down.', [
        'Retry-After',
      ]),
    },
  },
  {
    path: '/store/files',
    method: 'get',
    id: 'getStoreFiles',
    summary: 'The files that have lines, by host and name, the newest generation first',
    answers: {
      200: json('The files.', logList, ['X-GUID']),
      404: problem(off),
      503: problem('The files cannot be read now, or the service is shutting down.', ['Retry-After']),
    },
  },
  {
    path: '/ruok',
    method: 'get',
    id: 'getRuok',
    summary: 'Whether the line store answers',
    answers: {
      200: { description: 'It does.', headers: ['X-GUID'], content: { 'text/plain': z.literal('imok') } },
      404: problem(off),
    },
  },
];
