import { afterAll, describe } from 'vitest';
import { makeCertificates } from '../../../test/support/certificates.ts';
import { openTlsFiles } from '../../runtime/tls-files.ts';
import { createHttpServer } from '../server/server.ts';
import { describeConnections } from './contract-connections.case.ts';
import { describeDrips } from './contract-drips.case.ts';
import type { CreateServer } from './contract-fixture.case.ts';
import { describeOrder } from './contract-order.case.ts';
import { describeClose, describeDrain } from './contract-stop.case.ts';
import { describeRequestTimeout } from './contract-timeout.case.ts';

// The part of the contract that depends on how bytes come and go.
describe('createHttpServer with TLS', () => {
  const certificates = makeCertificates();
  afterAll(certificates.remove);
  const authority = certificates.authority('ca');
  const pair = authority.issue('server');

  const create: CreateServer = (options) => {
    const tls = openTlsFiles({ ...pair, clientCa: undefined, minVersion: 'TLSv1.2', name: 'http', log: options.log });
    return { ...createHttpServer({ ...options, tls }), ca: authority.pem };
  };

  describeOrder(create);
  describeConnections(create);
  describeDrips(create);
  describeRequestTimeout(create);
  describeDrain(create);
  describeClose(create);
});
