import { describe } from 'vitest';
import { describeAccess } from './contract-access.case.ts';
import { describeBodies } from './contract-bodies.case.ts';
import { describeConnectionLimit, describeConnections } from './contract-connections.case.ts';
import { describeDashboard } from './contract-dashboard.case.ts';
import { describeDocumented } from './contract-documented.case.ts';
import { describeDrips } from './contract-drips.case.ts';
import { describeEvents, describeEventsOfOneThread } from './contract-events.case.ts';
import type { CreateServer } from './contract-fixture.case.ts';
import { describeHosts } from './contract-hosts.case.ts';
import { describeMaps } from './contract-maps.case.ts';
import { describeOrder } from './contract-order.case.ts';
import { describeReads } from './contract-reads.case.ts';
import { describeRefusals } from './contract-refusals.case.ts';
import { describeResults } from './contract-results.case.ts';
import { describeClose, describeDrain, describeSharing } from './contract-stop.case.ts';
import { describeStreams } from './contract-streams.case.ts';
import { describeRequestTimeout } from './contract-timeout.case.ts';
import { describeUnread } from './contract-unread.case.ts';
import { describeVerdicts } from './contract-verdicts.case.ts';

/** The contract of every HttpServer, over real sockets. */
export function describeHttpContract(name: string, create: CreateServer): void {
  describe(name, () => {
    describeOnAnyThreads(create);
    describeConnectionLimit(create);
    describeUnread(create);
    describeDrips(create);
    describeVerdicts(create);
    describeHosts(create);
    describeDrain(create);
    describeClose(create);
    describeSharing(create);
    describeEventsOfOneThread(create);
  });
}

/** The part of the contract that several threads on one port must keep too. */
export function describeOnAnyThreads(create: CreateServer, threads = 1): void {
  describeBodies(create);
  describeStreams(create);
  describeMaps(create);
  describeAccess(create);
  describeResults(create);
  describeRefusals(create);
  describeOrder(create);
  describeConnections(create);
  describeReads(create);
  describeDocumented(create, threads);
  describeRequestTimeout(create);
  describeEvents(create);
  describeDashboard(create);
}
