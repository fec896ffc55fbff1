import { afterEach, beforeAll } from 'vitest';
import { removeDirs, type Service, type ServiceOptions } from './service.ts';
import { sharedBrokers } from './shared-broker.ts';
import { type Stream, startVersion2 } from './version2.ts';

/** For a test file: the shared broker, and services that end after each test, with their folders. */
export function useVersion2() {
  const started: Service[] = [];
  let brokers: readonly string[] = [];

  beforeAll(async () => {
    brokers = await sharedBrokers();
  });
  afterEach(async () => {
    for (const service of started.splice(0)) {
      await service.stop('SIGKILL');
      await removeDirs(service.dirs);
    }
  });

  return {
    /** Known from the first test on. */
    get brokers(): readonly string[] {
      return brokers;
    },
    async start(stream: Stream, options: ServiceOptions = {}): Promise<Service> {
      const service = await startVersion2(stream, options);
      started.push(service);
      return service;
    },
  };
}
