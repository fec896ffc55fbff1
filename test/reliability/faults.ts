import { BIT_FLIPS } from './faults/bit-flips.ts';
import { brokerKill, brokerPause, brokerStop } from './faults/broker.ts';
import { clockJumps } from './faults/clock.ts';
import { fewDescriptors, noDescriptors } from './faults/descriptors.ts';
import { createDiskFaults } from './faults/disk-errors.ts';
import { duplicates, repeatAfterKill } from './faults/duplicates.ts';
import { freeze } from './faults/freeze.ts';
import { diskFull, inodesFull } from './faults/full-disk.ts';
import { hangUps } from './faults/hang-ups.ts';
import { hostile } from './faults/hostile.ts';
import { killAfterAnswer, killUnderLoad, killWhileStopping } from './faults/kill.ts';
import { lostAnswers, networkCut, networkPartition, networkRefused, networkSlow } from './faults/network.ts';
import { killAll, storeAsleep } from './faults/nodes.ts';
import { slowDisk } from './faults/slow-disk.ts';
import { stopTwice, stopUnderLoad } from './faults/stop.ts';
import type { Fault } from './reliability.ts';

/** Every fault that a round can draw. A new fault is one file in faults/ and one line here. */
export const FAULTS: readonly Fault[] = [
  killUnderLoad,
  killAfterAnswer,
  killWhileStopping,
  stopUnderLoad,
  stopTwice,
  freeze,
  hangUps,
  duplicates,
  repeatAfterKill,
  hostile,
  ...createDiskFaults(),
  slowDisk,
  clockJumps,
  diskFull,
  inodesFull,
  noDescriptors,
  fewDescriptors,
  ...BIT_FLIPS,
  killAll,
  storeAsleep,
  brokerStop,
  brokerKill,
  brokerPause,
  networkPartition,
  networkRefused,
  networkCut,
  networkSlow,
  lostAnswers,
];
