interface OtherLog {
  readonly line: RegExp;
  readonly what: string;
}

/** Lines that stand in the files of access logs and are none: what they are, for people. */
const OTHER_LOGS: readonly OtherLog[] = [
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
  {
    // [2026-03-05 10:00:01 +0000] [7] [INFO] Listening at: http://0.0.0.0:8000 (7)
    line: /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[[A-Z]+\] /,
    what: 'a message of gunicorn',
  },
  {
    // ==> access.log <==
    line: /^==> .* <==$/,
    what: 'a header of tail',
  },
  {
    // -- Logs begin at Thu 2026-03-05 10:00:01 UTC. --
    line: /^-- .* --$/,
    what: 'a message of journalctl',
  },
];

/** Lines about requests in a format that is not read: what they are, and what helps. */
const OTHER_FORMATS: readonly OtherLog[] = [
  {
    // 1066036250.129    125 192.0.2.1 TCP_MISS/200 7456 GET http://www.example.com/c - DIRECT/10.0.0.1 text/html
    line: /^\d{9,10}\.\d{3} +\d+ \S+ [A-Z_]+\/\d{3} /,
    what: "a line of Squid's native format; its logformat combined can be read",
  },
  {
    // 1772704801.123 TAB 192.0.2.1 TAB …
    line: /^\d{9,10}\.\d{3}\t/,
    what: "a line of CloudFront's real-time logs or the like, whose columns are named nowhere; put a line before them that names them: #Fields: timestamp c-ip …",
  },
  {
    // at=info method=GET path="/" host=… status=200
    line: /(?:^|\s)(?:at=\w+|level=\w+|method=[A-Z]+|path="?\/)\s.*\w=|^t(?:s|ime)?=\S+ \w+=/,
    what: 'pairs of key=value (logfmt), which are not read; convert them to JSON lines',
  },
  {
    // INFO:     192.0.2.1:5000 - "GET /c HTTP/1.1" 200 OK
    line: /(?:DEBUG|INFO|WARNING|ERROR):? +\S+ - "[A-Z]+ .*" \d{3}(?: |$)/,
    what: "a line of uvicorn's own format, which has no time of the request; a logger that writes JSON or the combined format can be read",
  },
  {
    // GET /c 200 12.345 ms - 5
    line: /^(?:\S+ \S+ )?[A-Z]+ \/\S* (?:HTTP\/\d\.\d )?\S*(?:\d{3}|-)\S* .* ms(?: |$)/,
    what: "a line of morgan's dev, tiny or short format, which has no time; morgan('combined') can be read",
  },
  {
    // [GIN] 2026/03/05 - 10:00:01 | 200 | 12.345µs | 192.0.2.1 | GET "/c"
    line: /^\[GIN\] |^(?:\d{4}\/\d\d\/\d\d )?\d\d:\d\d:\d\d (?:\[[^\]]*\] )?(?:"[A-Z]+ http|\| \d{3} \|)/,
    what: 'a line of a Go framework (gin, chi, fiber) in its own format; a logger that writes JSON or the combined format can be read',
  },
  {
    // [pid: 7|app: 0|req: 1/1] 192.0.2.1 () {40 vars in 600 bytes} [Thu Mar  5 10:00:01 2026] GET /c => generated 5 bytes
    line: /^\[pid: \d+\|app: /,
    what: "a line of uWSGI's own format; its option log-format can be the combined one",
  },
  {
    // [I 260305 10:00:01 web:2271] 200 GET /c (192.0.2.1) 1.23ms
    line: /(?:^\[[DIWE] \d{6} |^)[^\]]*\]? ?\d{3} [A-Z]+ \S+ \(\S+\) [\d.]+ms/,
    what: "a line of Tornado's own format; its log_function can write the combined one",
  },
  {
    // Started GET "/c" for 192.0.2.1 at 2026-03-05 10:00:01 +0000
    line: /Started [A-Z]+ "[^"]*" for \S+ at /,
    what: "a line of Rails' own format; lograge with Lograge::Formatters::Json, a time and the user agent can be read",
  },
  {
    // 192.0.2.1, -, 03/05/26, 10:00:01, W3SVC1, WEB1, 10.0.0.1, 15, 99, 512, 200, 0, GET, /c, x=1,
    line: /^\S+, \S+, \d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}, \d{1,2}:\d\d:\d\d, /,
    what: 'a line of the IIS log file format; the W3C and NCSA formats of IIS can be read',
  },
  {
    // tls 2.0 2018-12-20T02:59:40 net/my-lb/c6e7 g3d4 192.0.2.1:51341 …
    line: /^tls \d\.\d \d{4}-\d\d-\d\dT/,
    what: 'a TLS connection of a network load balancer, which has no HTTP request',
  },
  {
    // [05/Mar/2026:10:00:01 +0000] 192.0.2.1 TLSv1.3 TLS_AES_256_GCM_SHA384 "GET /c HTTP/1.1" 5
    line: /^\[\d\d?\/[A-Z][a-z]{2}\/\d{4}:[^\]]*\] \S+ (?:TLS|SSL)/,
    what: "a line of Apache's ssl_request_log, which has no status; the access log beside it can be read",
  },
];

/** Long enough for what they begin with. */
const BEGINNING_BYTES = 256;

/** Why a line cannot be read that no format of access logs knows; undefined where it is nothing that is known. */
export function nameOtherLog(line: Buffer): string | undefined {
  const text = line.toString('latin1', 0, BEGINNING_BYTES);
  const what = (logs: readonly OtherLog[]) => logs.find(({ line: pattern }) => pattern.test(text))?.what;
  const other = what(OTHER_LOGS);
  return other === undefined ? what(OTHER_FORMATS) : `${other}, not of an access log`;
}
