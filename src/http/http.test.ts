import { describeHttpContract } from './http-contract.case.ts';
import { createHttpServer } from './server.ts';

describeHttpContract('createHttpServer', createHttpServer);
