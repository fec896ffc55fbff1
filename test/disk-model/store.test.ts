import { it } from 'vitest';
import { checkHistories, DISK_MODEL_TIMEOUT } from './lives.ts';
import { runStoreHistory, storeHistory } from './store-history.ts';

it(
  'the store keeps its promises through kills, power cuts and faults of the disk',
  {
    timeout: DISK_MODEL_TIMEOUT,
  },
  () => checkHistories(storeHistory, runStoreHistory, 160),
);
