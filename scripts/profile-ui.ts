/**
 * `make profile-ui-…`: serves profiles in speedscope, and snapshots as text, on a local port, until it is interrupted. It shows
 * one, or two side by side.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { basename, dirname, join, normalize } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals: profiles } = parseArgs({
  allowPositionals: true,
  options: { port: { type: 'string', default: '8085' } },
});

const VIEWER = join(dirname(createRequire(import.meta.url).resolve('speedscope/package.json')), 'dist/release');
const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  txt: 'text/plain; charset=utf-8',
  js: 'text/javascript',
  css: 'text/css',
  json: 'application/json',
  png: 'image/png',
  ico: 'image/x-icon',
  woff2: 'font/woff2',
  wasm: 'application/wasm',
};

function main(): void {
  const missing = profiles.filter((profile) => !existsSync(profile));
  if (profiles.length === 0 || missing.length > 0) {
    process.stderr.write(`there is no ${missing[0] ?? 'profile to show'}: make capture-profile-v1 or -v2 writes it\n`);
    process.exitCode = 1;
    return;
  }
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/') send(response, page(), 'html');
    else sendFile(response, decodeURIComponent(pathname));
  });
  server.on('error', (error) => {
    process.stderr.write(`cannot listen on port=${values.port}: ${error.message}\n`);
    process.exitCode = 1;
  });
  server.listen({ host: '127.0.0.1', port: Number(values.port) }, () => {
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : values.port;
    process.stdout.write(`http://127.0.0.1:${port}/ (Ctrl-C ends it)\n`);
  });
}

/** `/profiles/0` is the first profile; every other path is a file of the viewer. */
function sendFile(response: ServerResponse, pathname: string): void {
  const at = /^\/profiles\/(\d+)$/.exec(pathname)?.[1];
  const profile = at === undefined ? undefined : profiles[Number(at)];
  const path = profile ?? join(VIEWER, normalize(pathname));
  if (existsSync(path) && (profile !== undefined || path.startsWith(`${VIEWER}/`))) {
    const ending = path.slice(path.lastIndexOf('.') + 1);
    send(response, readFileSync(path), profile === undefined || ending === 'txt' ? ending : 'json');
  } else {
    response.writeHead(404).end();
  }
}

function send(response: ServerResponse, body: string | Buffer, type: string): void {
  response.writeHead(200, { 'Content-Type': TYPES[type] ?? 'application/octet-stream' }).end(body);
}

function page(): string {
  const frames = profiles.map((profile, i) => {
    const title = encodeURIComponent(basename(profile));
    if (profile.endsWith('.txt')) return `<iframe title="${title}" src="/profiles/${i}"></iframe>`;
    return `<iframe title="${title}" src="/index.html#profileURL=${encodeURIComponent(`/profiles/${i}`)}&title=${title}"></iframe>`;
  });
  const style = 'html,body{margin:0;height:100%}body{display:flex}iframe{flex:1;border:0;border-left:1px solid #888}';
  return `<!doctype html><html lang="en"><title>logforge profiles</title><style>${style}</style>${frames.join('')}</html>`;
}

main();
