import { type Command, EXIT, type Options } from './command.ts';
import { readEvents } from './event-source.ts';
import { parseFlags, toCount } from './parse-flags.ts';
import { print, printable, printableJson } from './print.ts';
import { readService, SERVICE_ENVIRONMENT, serviceOptions } from './service-options.ts';

const options = {
  ...serviceOptions,
  stream: { value: 'NAME', help: 'Only records of this stream. Default: of every stream.' },
  path: { value: 'TEXT', help: 'Only records whose path contains TEXT.' },
  'user-agent': { value: 'TEXT', help: 'Only records whose user agent contains TEXT.' },
  match: {
    value: 'TEXT',
    help: 'FIELD=VALUE: only records whose field has this value. Without =: only records whose stored line contains TEXT.',
  },
  count: { value: 'N', short: 'n', help: 'End after N records. Default: run until interrupted.' },
} as const satisfies Options;

export const tail: Command = {
  name: 'tail',
  summary: 'watch the records that a running service accepts',
  help: {
    synopsis: ['tail [OPTION]...'],
    description: [
      'Prints every record that the service accepts from now on, one JSON line each, as it is stored, but for characters that a terminal would obey or not show: they are written as JSON escapes. The service applies the filters; a record must pass all that are given.',
      'Watching does not slow the service down: above about 5 MB a second, or when this terminal reads too slowly, records are left out of the output and their number is printed on standard error. They are stored all the same.',
      'When the connection is lost, the command connects again.',
    ],
    examples: [
      { text: 'Everything:', command: 'logforge tail' },
      { text: 'The product pages that crawlers request:', command: 'logforge tail --user-agent bot --path /product/' },
      { text: 'The errors of an application:', command: 'logforge tail --stream events --match level=ERROR' },
      { text: 'By another field, just ten, for jq:', command: 'logforge tail --match status=500 -n 10 | jq .path' },
    ],
    exitCodes: { 1: 'The service could not be reached at the start, or refused the request.' },
    environment: SERVICE_ENVIRONMENT,
  },
  options,
  async run(args, io) {
    const { values } = parseFlags(args, options);
    const { url, apiKey, tls } = readService(values, io, '/events/tail');
    const filters = { stream: values.stream, path: values.path, userAgent: values['user-agent'], q: values.match };
    for (const [name, value] of Object.entries(filters)) if (value !== undefined) url.searchParams.set(name, value);
    const wanted = values.count === undefined ? undefined : toCount('count', values.count, { min: 1, max: 1e9 });
    const notify = (message: string) => void io.stderr.write(`logforge tail: ${printable(message)}\n`);

    let printed = 0;
    for await (const { event, data } of readEvents({ url, apiKey, tls, notify })) {
      if (event === 'left-out') notify(`${Number(data).toLocaleString('en-US')} records left out here`);
      if (event !== 'records') continue;
      const lines = data.split('\n').slice(0, wanted === undefined ? undefined : wanted - printed);
      await print(io.stdout, `${lines.map(printableJson).join('\n')}\n`);
      printed += lines.length;
      if (printed === wanted) break;
    }
    return EXIT.ok;
  },
};
