import { hash } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { compileSchema } from '../decode/protobuf/message-types.ts';
import { createRecordCheck } from '../decode/schema-check/schema-check.ts';
import { DamageReport } from '../disk/damage-report.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { BUILTIN_SUBJECTS } from '../model/builtin-schemas.ts';
import { systemClock } from '../model/clock.ts';
import type { Registry } from '../model/registry.ts';
import { openSchemaStore, type SchemaStore } from '../repo/schema-store.ts';
import type { Lifecycle } from '../runtime/lifecycle.ts';
import { createRegistry } from '../service/registry.ts';
import { createSchemaMirror } from '../service/schema-mirror.ts';
import { loadSchemas } from './load-schemas.ts';

export interface StartedRegistry {
  readonly registry: Registry;
  /** Its table is what decoders of this thread ask; other threads subscribe. */
  readonly store: SchemaStore;
  /** Readiness checks. */
  readonly checks: Readonly<Record<string, () => Promise<void>>>;
}

interface RegistryParts {
  readonly registry: Config['registry'];
  /** The state folder, which this process owns. */
  readonly dir: string;
  readonly metrics: Pick<Metrics, 'storageDamage'>;
  readonly log: Log;
  readonly lifecycle: Lifecycle;
}

/** What is registered is read by what will use it. */
const COMPILERS = { compileJson: createRecordCheck, compileProtobuf: compileSchema };

/** Opens our own registry, or with `registry.url` a copy of another one. */
export async function startRegistry(parts: RegistryParts): Promise<StartedRegistry> {
  return parts.registry.url === '' ? startOwn(parts) : startMirror(parts);
}

async function startOwn(parts: RegistryParts): Promise<StartedRegistry> {
  const { log, lifecycle, registry: settings } = parts;
  const store = await openStore(parts, 'schemas');
  lifecycle.started('schema registry', () => store.close());
  const { table } = store;
  const registry = createRegistry({ table, append: (events) => store.append(events), ...COMPILERS });
  // At the first start of all: what was registered or deleted since then stays so.
  if (table.nextId === 1) await registerBuiltins(registry, log);
  if (settings.load !== '') await loadSchemas({ registry, folder: settings.load, log });
  return { registry, store, checks: {} };
}

async function registerBuiltins(registry: Registry, log: Log): Promise<void> {
  for (const { subject, schema } of BUILTIN_SUBJECTS) {
    try {
      await registry.register({ subject, proposed: { ...schema, references: [] } });
    } catch (err) {
      log.warn('cannot register a built-in schema; the next start tries again', { subject, err });
      return;
    }
  }
}

/** Between two questions to the other registry, and between attempts while it is unavailable: milliseconds. */
const REFRESH_MS = 30_000;
const RETRY_MS = 1_000;

async function startMirror(parts: RegistryParts): Promise<StartedRegistry> {
  const { registry: settings, log, lifecycle } = parts;
  const { url, username, password } = settings;
  const store = await openStore(parts, `remote-schemas-${hash('sha256', url).slice(0, 8)}`);
  const mirror = createSchemaMirror({
    url,
    authorization: username === '' ? undefined : `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
    table: store.table,
    append: (events) => store.append(events),
    refreshMs: REFRESH_MS,
    retryMs: RETRY_MS,
    log,
  });
  lifecycle.started('schema registry', async () => {
    await mirror.stop();
    await store.close();
  });
  await mirror.start();
  const readOnly = `this service uses the schema registry at ${url} (registry.url); change it there`;
  const registry = createRegistry({
    table: store.table,
    append: (events) => store.append(events),
    ...COMPILERS,
    readOnly,
  });
  return { registry, store, checks: { registry: mirror.check } };
}

function openStore({ dir, metrics, log }: RegistryParts, name: string): Promise<SchemaStore> {
  const count = (kind: 'schemas', places: number) => metrics.storageDamage.labels(kind).inc(places);
  const report = new DamageReport({
    stateDir: dir,
    count: (_, places) => count('schemas', places),
    clock: systemClock,
    log,
  });
  return openSchemaStore({ dir, name, report, log });
}
