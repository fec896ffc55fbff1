/** Lines that stand in the files of access logs and are none: what they are, for people. */
const OTHER_LOGS: readonly { readonly line: RegExp; readonly what: string }[] = [
  {
    // [Fri Oct 08 17:08:41.203277 2021] [core:error] [pid 7005:tid 1] …
    line: /^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4}\] \[/,
    what: 'a line of an Apache error log',
  },
  {
    // 2026/03/05 10:00:01 [error] 7#7: *1 open() "/c" failed …
    line: /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[[a-z]+\] \d+#\d+: /,
    what: 'a line of an nginx error log',
  },
  {
    // AH00558: httpd: Could not reliably determine the server's fully qualified domain name
    line: /^AH\d{5}: /,
    what: 'a message of Apache',
  },
  {
    // /docker-entrypoint.sh: Configuration complete; ready for start up
    line: /^(?:\d\d-)?\/?[\w./-]*\.sh: /,
    what: 'a message of a container at its start',
  },
];

/** Long enough for what they begin with. */
const BEGINNING_BYTES = 128;

/** What a line is that no format of access logs can read; undefined where it is nothing that is known. */
export function nameOtherLog(line: Buffer): string | undefined {
  const text = line.toString('latin1', 0, BEGINNING_BYTES);
  return OTHER_LOGS.find(({ line: pattern }) => pattern.test(text))?.what;
}
