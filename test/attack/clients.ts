import type { HostileClient } from './attack.ts';
import { decoderWindows } from './clients/decoder-windows.ts';
import { expansion } from './clients/expansion.ts';
import { connectionFlood, headerFlood } from './clients/floods.ts';
import { halfClose } from './clients/half-close.ts';
import { longAnswers } from './clients/long-answers.ts';
import { manyHours } from './clients/many-hours.ts';
import { deepNesting } from './clients/nesting.ts';
import { nonReaders } from './clients/non-readers.ts';
import { silentHeads, slowBodies, slowHeads } from './clients/slow-senders.ts';
import { wideAnalytics } from './clients/wide-analytics.ts';
import { wideQueries } from './clients/wide-queries.ts';
import { wrongKeys } from './clients/wrong-keys.ts';

/** Every kind of hostile client. */
export const HOSTILE_CLIENTS: readonly HostileClient[] = [
  decoderWindows,
  expansion,
  manyHours,
  silentHeads,
  slowHeads,
  slowBodies,
  nonReaders,
  wideAnalytics,
  wideQueries,
  longAnswers,
  deepNesting,
  halfClose,
  connectionFlood,
  headerFlood,
  wrongKeys,
];
