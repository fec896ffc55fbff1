import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Dirs, launch, makeDirs, removeDirs, type Service, startService } from '../support/service.ts';

let dirs: Dirs;
let others: Dirs;
let service: Service;
beforeEach(async () => {
  dirs = await makeDirs();
  others = await makeDirs();
  service = await startService({ dirs });
});
afterEach(async () => {
  await service.stop('SIGKILL');
  await removeDirs(dirs);
  await removeDirs(others);
});

describe('a second service', () => {
  it.each([
    'logs',
    'state',
    'analytics',
    'dlq',
  ] as const)('with the same folder of %s says so and ends with status 1', async (name) => {
    const second = launch({ dirs: { ...others, [name]: dirs[name] } });
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.logs()).toContain(`another logforge process owns ${dirs[name]}`);
  });

  it('with folders of its own starts', async () => {
    const second = await startService({ dirs: others });
    expect(await second.stop()).toEqual({ code: 0, signal: null });
  });
});
