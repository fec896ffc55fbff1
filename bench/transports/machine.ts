import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { runCeiling } from '../sustained.ts';

/** What the figures are of. */
export interface Machine {
  readonly model: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  /** `linux 6.12.0` */
  readonly kernel: string;
  readonly node: string;
  /** Syncs of 4 KiB a second, one after the other, and MB/s of blocks of 1 MB, each synced. */
  readonly syncsPerSecond: number;
  readonly syncedMegabytesPerSecond: number;
  /** net.core.rmem_max and net.unix.max_dgram_qlen: what the kernel keeps of datagrams. */
  readonly receiveBuffer: number | undefined;
  readonly datagramQueue: number | undefined;
}

const SYNC_MS = 500;

/** `dir`: where the stores of the runs lie. `quick`: the disk is measured in a fifth of a second, and less exactly. */
export async function describeMachine(dir: string, { quick }: { readonly quick: boolean }): Promise<Machine> {
  const processors = cpus();
  const path = join(dir, `logforge-ceiling-${process.pid}`);
  const syncsPerSecond = countSyncs(path, quick ? SYNC_MS / 5 : SYNC_MS);
  const sizes = quick ? { afterBytes: 1e6, bytes: 10e6 } : { afterBytes: 10e6, bytes: 100e6 };
  const { bytes, seconds } = await runCeiling({ path, blockBytes: 1e6, ...sizes, syncs: true });
  return {
    model: processors[0]?.model ?? 'unknown',
    cpus: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${platform()} ${release()}`,
    node: process.version,
    syncsPerSecond,
    syncedMegabytesPerSecond: bytes / seconds / 1e6,
    receiveBuffer: readNumber('/proc/sys/net/core/rmem_max'),
    datagramQueue: readNumber('/proc/sys/net/unix/max_dgram_qlen'),
  };
}

function countSyncs(path: string, ms: number): number {
  const fd = openSync(path, 'wx', 0o640);
  try {
    const block = Buffer.alloc(4096, 'x');
    const start = performance.now();
    let syncs = 0;
    for (; performance.now() - start < ms; syncs++) {
      writeSync(fd, block);
      fdatasyncSync(fd);
    }
    return (syncs * 1000) / (performance.now() - start);
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

function readNumber(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'latin1'));
  } catch {
    return undefined;
  }
}

/** A certificate of a day's validity and its key, for 127.0.0.1. Undefined where there is no openssl. */
export function makeCertificate(dir: string): { readonly cert: string; readonly key: string } | undefined {
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  try {
    execFileSync('openssl', ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert], { stdio: 'pipe' });
    return { cert, key };
  } catch {
    return undefined;
  }
}
