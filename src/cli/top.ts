import { type Command, EXIT, type Options } from './command.ts';
import { readEvents } from './event-source.ts';
import { parseFlags, toCount } from './parse-flags.ts';
import { print, printable } from './print.ts';
import { readService, SERVICE_ENVIRONMENT, serviceOptions } from './service-options.ts';
import { plainHeader, plainLine, readStats, screen } from './top-screen.ts';

const options = {
  ...serviceOptions,
  count: { value: 'N', short: 'n', help: 'End after N seconds. Default: run until interrupted.' },
} as const satisfies Options;

const SHOWN_REFUSALS = 5;
const HEADER_EVERY = 20;

export const top: Command = {
  name: 'top',
  summary: 'watch the rates of a running service',
  help: {
    synopsis: ['top [OPTION]...'],
    description: [
      'Shows, once a second, the load of a running service: records, batches and bytes a second, records by outcome, the times of answers and syncs (p50 and p99 over the last ten seconds), and for version 2 the lag, the circuit breaker and the spool; below, the last refusals with their reasons.',
      'On a terminal the screen is redrawn in place; elsewhere each second is one line.',
      'When the connection is lost, the command connects again.',
    ],
    examples: [
      { text: 'The service on this machine:', command: 'logforge top' },
      {
        text: 'Another one, a minute of it, into a file:',
        command: 'logforge top --url http://logs:8082 -n 60 > minute.txt',
      },
    ],
    exitCodes: { 1: 'The service could not be reached at the start, or refused the request.' },
    environment: SERVICE_ENVIRONMENT,
  },
  options,
  async run(args, io) {
    const { values } = parseFlags(args, options);
    const { url, apiKey, tls } = readService(values, io, '/events');
    const wanted = values.count === undefined ? undefined : toCount('count', values.count, { min: 1, max: 1e9 });
    const isTerminal = io.stdout.isTTY === true;
    let refusals: readonly string[] = [];
    let shown = 0;
    let height = 0;
    const notify = (message: string) => {
      io.stderr.write(`logforge top: ${printable(message)}\n`);
      height = 0;
    };

    for await (const { event, data } of readEvents({ url, apiKey, tls, notify })) {
      if (event === 'refusal') refusals = [describeRefusal(data), ...refusals].slice(0, SHOWN_REFUSALS);
      const stats = event === 'stats' ? readStats(data) : undefined;
      if (stats === undefined) continue;
      if (isTerminal) {
        const { columns, rows } = io.stdout;
        const lines = screen(stats, { origin: url.host, refusals, columns: columns || 80, rows: rows || 24 });
        // Moves the cursor to the first line of the last screen, and clears from there.
        const back = height === 0 ? '' : `\u001b[${height}A\u001b[0J`;
        await print(io.stdout, `${back}${lines.map(printable).join('\n')}\n`);
        height = lines.length;
      } else {
        if (shown % HEADER_EVERY === 0) await print(io.stdout, plainHeader(stats));
        await print(io.stdout, `${printable(plainLine(stats))}\n`);
      }
      shown += 1;
      if (shown === wanted) break;
    }
    return EXIT.ok;
  },
};

function describeRefusal(data: string): string {
  try {
    const { time, status, reason, records } = JSON.parse(data) as Record<string, unknown>;
    const at = new Date(Number(time)).toISOString().slice(11, 19);
    const count = typeof records === 'number' && records > 1 ? ` (${records} records)` : '';
    return printable(`${at}  ${String(status)}  ${String(reason)}${count}`);
  } catch {
    return '';
  }
}
