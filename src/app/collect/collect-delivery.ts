import { join } from 'node:path';
import type { DeliverSlice } from '../../inputs/files/files.ts';
import type { Clock } from '../../model/clock.ts';
import { EVENTS_STREAM } from '../../model/stream.ts';
import type { PostOptions } from '../../outputs/http/service-post.ts';
import { createServiceSender } from '../../outputs/http/service-sender.ts';
import { openDeadLetterFile, openRejectsFile } from '../../outputs/line-files.ts';
import { openLineOutput } from '../../outputs/line-output.ts';
import { createSliceDelivery } from '../files/deliver-slice.ts';
import { keyByRange } from '../files/slice-keys.ts';
import type { CollectReport } from './collect-report.ts';
import { createOutputDelivery } from './deliver-output.ts';

export type ServiceTarget = Pick<PostOptions, 'url' | 'apiKey' | 'tls'>;

export interface CollectDelivery {
  readonly deliver: DeliverSlice;
  /** What is under way to a service ends. */
  close(): Promise<void>;
}

interface DeliveryParts {
  readonly outputDir: string;
  /** Absent: to files in the folder. */
  readonly service: ServiceTarget | undefined;
  readonly report: CollectReport;
  readonly clock: Clock;
}

const COLLECTED = 'collected.jsonl';
const REJECTS = 'rejects.jsonl';
const DEAD_LETTERS = 'dead-letters.jsonl';
const STATE = 'collected.state';
/** Requests at once. */
const CONNECTIONS = 4;

/** Where slices go. Rejects where a file cannot be opened. */
export function openCollectDelivery(parts: DeliveryParts): Promise<CollectDelivery> {
  return parts.service === undefined ? openToFolder(parts) : openToService(parts, parts.service);
}

async function openToFolder({ outputDir, report, clock }: DeliveryParts): Promise<CollectDelivery> {
  const output = await openLineOutput({
    paths: [join(outputDir, COLLECTED), join(outputDir, REJECTS)],
    state: join(outputDir, STATE),
    notify: report.notify,
  });
  return { deliver: createOutputDelivery({ output, report, clock }), close: () => output.close() };
}

async function openToService({ outputDir, report }: DeliveryParts, service: ServiceTarget): Promise<CollectDelivery> {
  const rejects = await openRejectsFile(join(outputDir, REJECTS));
  const deadLetters = await openDeadLetterFile(join(outputDir, DEAD_LETTERS)).catch(async (error: unknown) => {
    await rejects.close();
    throw error;
  });
  for (const { mended } of [rejects, deadLetters]) if (mended !== undefined) report.notify(mended);
  const sender = createServiceSender({
    ...service,
    connections: CONNECTIONS,
    retries: 'forever',
    notify: report.noteRetry,
  });
  const stream = EVENTS_STREAM.name;
  return {
    deliver: createSliceDelivery({
      sender,
      stream,
      keyOf: keyByRange,
      conflict: 'duplicate',
      rejects,
      deadLetters,
      report,
    }),
    async close() {
      sender.close();
      await rejects.close();
      await deadLetters.close();
    },
  };
}
