import { createHttpServer } from '../server/server.ts';
import { describeHttpContract } from './http-contract.case.ts';

describeHttpContract('createHttpServer', createHttpServer);
