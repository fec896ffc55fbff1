import { it } from 'vitest';
import { checkHistories, DISK_MODEL_TIMEOUT } from './lives.ts';
import { runSpoolHistory, spoolHistory } from './spool-history.ts';

it(
  'the spool keeps its promises through kills, power cuts and faults of the disk',
  {
    timeout: DISK_MODEL_TIMEOUT,
  },
  () => checkHistories(spoolHistory, runSpoolHistory, 600),
);
