import { describe } from 'vitest';
import { describeFrames } from './contract-frames.case.ts';
import { describeFull } from './contract-full.case.ts';
import { describeLimits } from './contract-limits.case.ts';
import { describePaths, describePlaces } from './contract-places.case.ts';
import { describeStart } from './contract-start.case.ts';
import { describeStop } from './contract-stop.case.ts';
import type { InputFixture } from './fixture.case.ts';

/** The contract of every type of input, with real senders. The kind and the place of the fixture say which parts hold for it. */
export function describeInputContract(name: string, fixture: InputFixture): void {
  describe(name, () => {
    describeStart(fixture);
    if (fixture.place === 'path') describePaths(fixture);
    if (fixture.place !== 'none') describePlaces(fixture);
    describeFrames(fixture);
    describeFull(fixture);
    if (fixture.kind === 'stream') describeLimits(fixture);
    describeStop(fixture);
  });
}
