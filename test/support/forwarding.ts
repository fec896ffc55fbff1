import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { cleanEnv, logforge } from './service.ts';

/** A process of `logforge forward`. */
export interface ForwarderProcess {
  readonly child: ChildProcess;
  stderr(): string;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `logforge forward …` and waits until it follows files. Rejects when it ends before. `command`: instead of the program under test. */
export async function startForward(
  args: readonly string[],
  { cwd, command }: { readonly cwd: string; readonly command?: string },
): Promise<ForwarderProcess> {
  const [program, ...words] = command === undefined ? logforge('forward', ...args) : [command, 'forward', ...args];
  const child = spawn(program, words, { cwd, env: cleanEnv(), stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const { promise: isUp, resolve } = Promise.withResolvers<void>();
  child.stderr.on('data', (piece: Buffer) => {
    text += piece.toString();
    if (text.includes('position in')) resolve();
  });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const ended = exited.then((code) => {
    throw new Error(`logforge forward ended with ${code}: ${text}`);
  });
  ended.catch(() => undefined);
  await Promise.race([isUp, ended]);
  return {
    child,
    stderr: () => text,
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return exited;
    },
  };
}

/** A line of an access log whose path is its number. */
export function numberedLine(number: number): string {
  const at = new Date(Date.UTC(2026, 2, 5, 10) + (number % 7_200) * 500);
  const [, day, month, year, clock] = /, (\d\d) (\w+) (\d+) ([\d:]+)/.exec(at.toUTCString()) ?? [];
  return `192.0.2.${number % 250} - - [${day}/${month}/${year}:${clock} +0000] "GET /${number} HTTP/1.1" 200 5 "-" "curl/8"\n`;
}

/** Rotated files that are kept: more than any test makes. */
const KEPT = 300;

/** A program that writes a log, and a rotator that moves it away, each in its own way. */
export class RotatedLog {
  readonly folder: string;
  /** Of the next line. */
  written: number;
  readonly #first: number;

  constructor(folder: string, first = 0) {
    this.folder = folder;
    this.#first = first;
    this.written = first;
  }

  /** Of all lines that were written. */
  get numbers(): readonly number[] {
    return Array.from({ length: this.written - this.#first }, (_, i) => this.#first + i);
  }

  get path(): string {
    return join(this.folder, 'access.log');
  }

  write(lines: number): void {
    let text = '';
    for (let i = 0; i < lines; i++) text += numberedLine(this.written++);
    // A line may be seen before its end.
    const middle = Math.floor(text.length / 2);
    appendFileSync(this.path, text.slice(0, middle));
    appendFileSync(this.path, text.slice(middle));
  }

  /** The names of rotated files move on by one. With copy-and-truncate nothing is written meanwhile: what it loses, the rotator loses. */
  async rotate(way: 'rename' | 'copy' | 'compress' | 'delaycompress'): Promise<void> {
    const rotated = join(this.folder, 'access.log.1');
    if (way === 'delaycompress' && existsSync(rotated)) await compress(rotated);
    for (let i = KEPT - 1; i >= 1; i--) {
      for (const ending of ['', '.gz']) {
        const from = join(this.folder, `access.log.${i}${ending}`);
        if (existsSync(from)) renameSync(from, join(this.folder, `access.log.${i + 1}${ending}`));
      }
    }
    for (const ending of ['', '.gz']) rmSync(join(this.folder, `access.log.${KEPT}${ending}`), { force: true });
    if (way === 'copy') {
      copyFileSync(this.path, rotated);
      truncateSync(this.path, 0);
      return;
    }
    renameSync(this.path, rotated);
    appendFileSync(this.path, '');
    if (way === 'compress') await compress(rotated);
  }
}

/** As gzip does it: the packed file grows beside the plain one, which is then deleted. */
async function compress(path: string): Promise<void> {
  const packed = await promisify(gzip)(readFileSync(path));
  const middle = Math.floor(packed.length / 2);
  writeFileSync(`${path}.gz`, packed.subarray(0, middle));
  await new Promise((resolve) => setTimeout(resolve, 50));
  appendFileSync(`${path}.gz`, packed.subarray(middle));
  rmSync(path);
}
