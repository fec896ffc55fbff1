import { createRecordCheck } from '../decode/schema-check/schema-check.ts';
import { createEncoding } from '../generate/encode/encodings.ts';
import { type FetchedSchema, fetchSchema } from '../generate/encode/fetch-schema.ts';
import type { Encoding, SendContext, Sender } from '../generate/generate.ts';
import { createRecords } from '../generate/records/records.ts';
import { runGenerator } from '../generate/run.ts';
import { connectSocket, connectTlsSocket, openFifo } from '../generate/send/connect.ts';
import { createDatagramSender } from '../generate/send/datagram-sender.ts';
import { createFileSender } from '../generate/send/file-sender.ts';
import { createHttpSender } from '../generate/send/http-sender.ts';
import { openUdp, openUnixDatagram } from '../generate/send/open-datagram.ts';
import { createOutputSender } from '../generate/send/output-sender.ts';
import { shareSender } from '../generate/send/shared-sender.ts';
import { createStreamSender } from '../generate/send/stream-sender.ts';
import { BUILTIN_SCHEMAS } from '../model/builtin-schemas.ts';
import { createServiceSender } from '../outputs/http/service-sender.ts';
import { type Command, EXIT, type Io, UsageError } from './command.ts';
import { type GenerateFlags, generateOptions, readAmounts, readFields, readRfc } from './generate-flags.ts';
import { type GeneratePlan, readPlan } from './generate-plan.ts';
import { parseFlags } from './parse-flags.ts';
import { printableLines } from './print.ts';
import { readService, readTls, SERVICE_ENVIRONMENT } from './service-options.ts';
import { stopSignal } from './stop-signal.ts';

/** One write to a stream has at most so many bytes. */
const MAX_WRITE_BYTES = 256 * 1024;
/** A write of at most so many bytes to a FIFO is not mixed with those of other writers: PIPE_BUF of Linux. */
const PIPE_BUF = 4_096;
const DEFAULT_TYPE = 'LogEntry';

export const generate: Command = {
  name: 'generate',
  summary: 'make records and send them, as load for a service',
  help: {
    synopsis: ['generate [OPTION]...'],
    description: [
      'Makes records as a shop would log them and sends them on any transport in any format, until it is stopped or has sent what --count or --duration allow. 5 of 100 records are errors, 10 are warnings, 17 are DEBUG.',
      'Every 10 seconds, and at the end, it prints on standard error what was sent. failed: could not be sent. unsure: stood in a connection when it broke, or in a request that was not answered to the end; they are not sent again under another key, so that none is doubled. SIGTERM or SIGINT stops it at the end of a record. A second signal ends it at once.',
      'On tcp, tls, unixsock, unixgram, udp and fifo, "sent" means that the operating system took the record, not that somebody read it. By http it means that the service accepted it.',
      'Above 10,000 records a second a producer makes 20,000 records, and then sends them again and again with new times.',
    ],
    examples: [
      { text: 'Access records to POST /logs of a service:', command: 'logforge generate --transport http --rate 500' },
      {
        text: 'To a program that listens on a Unix socket:',
        command: 'logforge generate --transport unixsock --size 100 --rate 10 --duration 5s --producers 5',
      },
      {
        text: 'Protocol Buffers to the universal port:',
        command: 'logforge generate --format proto --batch 4000 --interval 10 --ca certs/cert.pem',
      },
      { text: 'Syslog over UDP:', command: 'logforge generate --transport udp --format syslog --addr 127.0.0.1:514' },
    ],
    exitCodes: { 1: 'Some records failed or are unsure, or a record does not fit the schema.' },
    environment: SERVICE_ENVIRONMENT,
  },
  options: generateOptions,

  async run(args, io) {
    const { values: flags, every } = parseFlags(args, generateOptions);
    const plan = readPlan(flags);
    const amounts = readAmounts(flags);
    const fields = readFields(every.field ?? []);
    const example = createRecords({ kind: plan.records, seed: 0, producer: 0, fields, size: amounts.size })(Date.now());
    const encoding = await makeEncoding(plan, flags, example.fields);
    const makeSender = senderFor(plan, { flags, amounts, encoding, io });
    // A record that does not fit its schema is told before anything is sent.
    encoding.encode(example);
    const stop = new AbortController();
    void stopSignal(process).then(() => stop.abort());
    const totals = await runGenerator({
      ...plan,
      ...amounts,
      fields,
      encoding,
      createSender: makeSender,
      stop: stop.signal,
      print: (line) => void io.stderr.write(`${printableLines(line)}\n`),
    });
    return totals.failed + totals.unsure === 0 ? EXIT.ok : EXIT.failure;
  },
};

interface Given {
  readonly flags: GenerateFlags;
  readonly amounts: ReturnType<typeof readAmounts>;
  readonly encoding: Encoding;
  readonly io: Io;
}

/** What makes the sender of each producer. Throws UsageError, and an Error where a file of the flags cannot be read. */
function senderFor(plan: GeneratePlan, given: Given): (context: SendContext) => Sender {
  const { transport, framing, to, path } = plan;
  const isSingle = framing === 'single';
  const { flags, amounts, io } = given;
  const where = `${to.host}:${to.port}`;
  const stream = { maxWriteBytes: MAX_WRITE_BYTES };
  switch (transport) {
    case 'http':
      return httpSenderFor(plan, given);
    case 'tcp':
      return (context) =>
        createStreamSender({ ...context, ...stream, target: where, connect: () => connectSocket(to) });
    case 'tls': {
      const tls = readTls(flags);
      const connect = () => connectTlsSocket({ ...to, ...tls });
      return (context) => createStreamSender({ ...context, ...stream, target: where, connect });
    }
    case 'unixsock':
      return (context) =>
        createStreamSender({ ...context, ...stream, target: path, connect: () => connectSocket({ path }) });
    case 'fifo':
      return (context) =>
        createStreamSender({ ...context, maxWriteBytes: PIPE_BUF, target: path, connect: () => openFifo(path) });
    case 'udp':
      return (context) => createDatagramSender({ ...context, isSingle, target: where, open: () => openUdp(to) });
    case 'unixgram':
      return (context) =>
        createDatagramSender({ ...context, isSingle, target: path, open: () => openUnixDatagram(path) });
    case 'file':
      return shared(amounts.producers, (context) => createFileSender({ ...context, ...amounts, path }));
    case 'stdout':
      return shared(amounts.producers, (context) => createOutputSender({ ...context, output: io.stdout }));
  }
}

function shared(users: number, make: (context: SendContext) => Sender): (context: SendContext) => Sender {
  let sender: Sender | undefined;
  return (context) => {
    sender ??= shareSender(make(context), users);
    return sender;
  };
}

function httpSenderFor({ stream }: GeneratePlan, { flags, encoding, io }: Given): (context: SendContext) => Sender {
  const { url, apiKey, tls } = readService(flags, io, '');
  const { contentType = '' } = encoding.body ?? {};
  return ({ retries, notify, wait, stopped }) => {
    const waitUnlessStopped = async (ms: number): Promise<void> => {
      await wait(ms);
      if (stopped.aborted) throw new Error('stopped before the service accepted a batch');
    };
    const sender = createServiceSender({ url, apiKey, tls, connections: 1, retries, notify, wait: waitUnlessStopped });
    return createHttpSender({ sender, stream, contentType });
  };
}

async function makeEncoding(
  { format }: GeneratePlan,
  flags: GenerateFlags,
  example: Parameters<typeof createEncoding>[0]['example'],
): Promise<Encoding> {
  const { registry, type = DEFAULT_TYPE } = flags;
  if (registry === undefined) {
    if (flags.type !== undefined) throw new UsageError('--type names a schema of a registry; give --registry as well');
    return createEncoding({ format, rfc: readRfc(flags), example });
  }
  const url = URL.parse(registry);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new UsageError(
      `--registry must be an address such as http://127.0.0.1:8000, got ${JSON.stringify(registry)}`,
    );
  const schema = await fetchSchema(url, type, format);
  return createEncoding({ format, rfc: readRfc(flags), example, schema, faultOf: checkOf(schema) });
}

/** The check of a JSON Schema, as the service makes it. */
function checkOf(schema: FetchedSchema): ((json: string) => string | undefined) | undefined {
  if (schema.format !== 'json') return undefined;
  const check = createRecordCheck({ schema: schema.text, references: [] }, BUILTIN_SCHEMAS);
  return (json) => {
    const fault = check.faultOf(json);
    return fault === undefined ? undefined : `${fault.field} ${fault.problem}`.trim();
  };
}
