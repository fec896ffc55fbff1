import { killUnderLoad } from './faults/kill.ts';
import type { Fault } from './reliability.ts';

/** Every fault that a round can draw. A new fault is one file in faults/ and one line here. */
export const FAULTS: readonly Fault[] = [killUnderLoad];
