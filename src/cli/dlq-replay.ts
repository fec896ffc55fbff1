import { createHash } from 'node:crypto';
import { createServiceSender } from '../outputs/http/service-sender.ts';
import { RefusedError, type ServiceSender } from '../outputs/outputs.ts';
import { type Command, EXIT, type Io, type Options } from './command.ts';
import { CONFIG_ENVIRONMENT, CONFIG_EXIT_CODE } from './config-options.ts';
import { type DeadLetterFilter, type DeadLetterLine, type LetterFile, readLetters } from './dlq-files.ts';
import { findLetterFiles, letterOptions } from './dlq-options.ts';
import { parseFlags, toCount } from './parse-flags.ts';
import { print, printable } from './print.ts';
import { count, createProgress } from './progress.ts';
import { readService, SERVICE_ENVIRONMENT, serviceOptions } from './service-options.ts';

/** Requests at once: they share commits, so that not every letter costs a sync. */
const CONNECTIONS = 16;

const options = {
  ...letterOptions,
  ...serviceOptions,
  retries: { value: 'N', help: 'How often a letter is sent again, in a row, before the command gives up. Default 10.' },
  'dry-run': { help: 'Count the letters that would be sent, and send none.' },
} satisfies Options;

export const dlqReplay: Command = {
  name: 'replay',
  summary: 'send dead letters to a running service again',
  help: {
    synopsis: ['dlq replay [OPTION]...', 'dlq replay --dry-run [OPTION]...'],
    description: [
      'Sends each letter to its stream by itself. When the cause is removed (a limit is raised, a defect is fixed, the file is edited), the record is stored. A letter that is still invalid is listed by file and line with its reason; it does not become a second dead letter.',
      'Every letter is sent with an Idempotency-Key made of its file, its line and its content. So a replay may be run again, after an interruption or with other filters, and several may run at once: nothing is stored twice, as long as the service remembers the keys (ingestion.idempotencyWindow, 24h).',
      'The letters stay where they are. When the letters of a day are no longer needed, move the file YYYY-MM-DD.ndjson out of the folder, but not that of today: the service writes to it.',
    ],
    examples: [
      { text: 'Count the letters that would be sent:', command: 'logforge dlq replay --day 2025-11-22 --dry-run' },
      {
        text: 'What a service refused of the files that logforge forward sends:',
        command: 'logforge dlq replay --file letters.ndjson',
      },
      {
        text: 'Records that were too long, now that ingestion.maxRecordBytes is higher:',
        command: 'logforge dlq replay --stage ingest --reason exceeds',
      },
    ],
    exitCodes: {
      1: 'Some letters were not stored: they are still invalid or unreadable, or the service was unavailable or refused the key.',
      ...CONFIG_EXIT_CODE,
    },
    environment: { ...SERVICE_ENVIRONMENT, ...CONFIG_ENVIRONMENT },
  },
  options,
  async run(args, io) {
    const { values } = parseFlags(args, options);
    const service = readService(values, io, '/logs');
    const retries = toCount('retries', values.retries ?? '10', { min: 0, max: 1000 });
    const letters = readAll(await findLetterFiles(values, io), values);
    if (values['dry-run']) return countLetters(letters, io);

    const report = createReport(io);
    const { notify } = report;
    const sender = createServiceSender({ ...service, connections: CONNECTIONS, invalid: 'reject', retries, notify });
    try {
      await sendAll(letters, sender.send, report);
    } finally {
      sender.close();
      await report.end();
    }
    return report.allStored() ? EXIT.ok : EXIT.failure;
  },
};

type Letters = AsyncGenerator<DeadLetterLine | undefined>;

async function* readAll(files: readonly LetterFile[], filter: DeadLetterFilter): Letters {
  for (const file of files) yield* readLetters(file, filter);
}

async function countLetters(letters: Letters, io: Io): Promise<number> {
  const byStage = new Map<string, number>();
  let unreadable = 0;
  for await (const letter of letters) {
    if (letter === undefined) unreadable++;
    else byStage.set(letter.stage, (byStage.get(letter.stage) ?? 0) + 1);
  }
  const stages = [...byStage].map(([stage, number]) => `${count(number, 'letter')} of stage ${printable(stage)}`);
  await print(io.stdout, `would send ${stages.join(', ') || 'nothing'}, ${count(unreadable, 'line')} unreadable\n`);
  return EXIT.ok;
}

/** Rejects when a letter fails for a reason that is not its own, after all requests that are running have ended. */
async function sendAll(letters: Letters, send: ServiceSender['send'], report: LetterReport): Promise<void> {
  let failure: unknown;
  const work = async (): Promise<void> => {
    while (failure === undefined) {
      const { done, value: letter } = await letters.next();
      if (done === true) return;
      if (letter === undefined) report.unreadable();
      else
        await sendLetter(letter, send, report).catch((error: unknown) => {
          report.unknown(letter);
          failure ??= error;
        });
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  if (failure !== undefined) throw failure;
}

async function sendLetter(letter: DeadLetterLine, send: ServiceSender['send'], report: LetterReport): Promise<void> {
  const { stream, map } = letter;
  const { body, contentType } = toBody(letter);
  if (body.length === 0) return report.invalid(letter, 'the letter is empty');
  try {
    const { accepted, duplicate, rejections } = await send({ stream, key: keyOf(letter), body, contentType, map });
    if (accepted === 0) report.invalid(letter, rejections[0]?.reason ?? 'no reason given');
    else report.stored(duplicate);
  } catch (error) {
    if (!(error instanceof RefusedError) || !isLettersOwnFault(error)) throw error;
    report.invalid(letter, error.detail);
  }
}

/** Malformed, too large, or never to be stored. Any other status concerns every letter: a wrong key, a wrong URL. */
const LETTERS_OWN_FAULT: ReadonlySet<number> = new Set([400, 413, 422]);

/** A stream that the configuration no longer has concerns its letters alone. */
function isLettersOwnFault({ status, detail }: RefusedError): boolean {
  return LETTERS_OWN_FAULT.has(status) || (status === 404 && detail.startsWith('there is no stream'));
}

const BASE64_MARK = 'base64:';

/** The content as the service accepts it: one record or several lines as NDJSON, an array as JSON, bytes as what they are. */
function toBody({ content, contentType }: DeadLetterLine): { readonly body: Buffer; readonly contentType: string } {
  const isPacked = content.startsWith(BASE64_MARK);
  const body = isPacked ? Buffer.from(content.slice(BASE64_MARK.length), 'base64') : Buffer.from(content.trim());
  if (isPacked && contentType !== undefined) return { body, contentType };
  const isArray = /^\s*\[/.test(body.toString('latin1', 0, 64));
  return { body, contentType: isArray ? 'application/json' : 'application/x-ndjson' };
}

function keyOf({ file, number, line }: DeadLetterLine): string {
  return `dlq-${createHash('sha256').update(`${file}\n${number}\n${line}`).digest('base64url')}`;
}

type LetterReport = ReturnType<typeof createReport>;

/** Reports the outcome of every letter: progress on a terminal, letters that are not stored on stderr, one line on stdout at the end. */
function createReport(io: Io) {
  const begun = performance.now();
  const progress = createProgress(io.stderr, () => performance.now());
  const tally = { stored: 0, duplicate: 0, invalid: 0, unreadable: 0, unknown: 0 };
  const notify = (message: string): void => {
    progress.clear();
    io.stderr.write(`${printable(message)}\n`);
  };
  const place = ({ file, number }: DeadLetterLine) => `${file}:${number}`;
  return {
    notify,
    stored(duplicate: boolean): void {
      tally[duplicate ? 'duplicate' : 'stored']++;
      progress.show(`${count(tally.stored + tally.duplicate + tally.invalid, 'letter')} sent`);
    },
    invalid(letter: DeadLetterLine, reason: string): void {
      tally.invalid++;
      notify(`${place(letter)}: still invalid: ${reason}`);
    },
    unreadable(): void {
      tally.unreadable++;
    },
    /** Sent without an answer: running the command again finds out. */
    unknown(letter: DeadLetterLine): void {
      tally.unknown++;
      notify(`${place(letter)}: unknown whether it is stored`);
    },
    allStored: () => tally.invalid + tally.unreadable + tally.unknown === 0,
    async end(): Promise<void> {
      progress.clear();
      const { stored, duplicate, invalid, unreadable, unknown } = tally;
      const parts = [
        `${count(stored, 'letter')} stored`,
        count(duplicate, 'duplicate'),
        `${invalid} still invalid`,
        ...(unknown > 0 ? [`${unknown} unknown, run the command again`] : []),
        ...(unreadable > 0 ? [`${count(unreadable, 'line')} unreadable`] : []),
        `${((performance.now() - begun) / 1000).toFixed(1)} s`,
      ];
      await print(io.stdout, `${parts.join(', ')}; the letters stay in their files\n`);
    },
  };
}
