import { describe, expect, it } from 'vitest';
import { readProfileSettings } from './profiling.ts';

type Env = Readonly<Record<string, string>>;

describe('PROFILE_*', () => {
  const reads = (env: Env, expected: unknown) =>
    it(`${JSON.stringify(env)} is understood`, () => expect(readProfileSettings(env, 1)).toEqual(expected));

  reads({}, { capture: undefined, live: undefined });
  reads({ PROFILE_CAPTURE: '0', PROFILE_ENABLED: '' }, { capture: undefined, live: undefined });
  reads({ PROFILE_CAPTURE: '1' }, { capture: { dir: 'profiles', name: 'v1' }, live: undefined });
  reads(
    { PROFILE_CAPTURE: 'true', PROFILE_NAME: 'before_2.0', PROFILE_DIR: 'out' },
    { capture: { dir: 'out', name: 'before_2.0' }, live: undefined },
  );
  reads({ PROFILE_ENABLED: '1' }, { capture: undefined, live: { host: '127.0.0.1', port: 6062 } });
  reads({ PROFILE_ENABLED: '1', PROFILE_ADDR: ':0' }, { capture: undefined, live: { host: '127.0.0.1', port: 0 } });
  reads({ PROFILE_ENABLED: '1', PROFILE_ADDR: '[::1]:9' }, { capture: undefined, live: { host: '::1', port: 9 } });

  const refuses = (env: Env, message: string) =>
    it(`${JSON.stringify(env)} is refused`, () => expect(() => readProfileSettings(env, 1)).toThrow(message));

  refuses({ PROFILE_CAPTURE: 'yes' }, 'PROFILE_CAPTURE: expected 0 or 1, got "yes"');
  refuses({ PROFILE_NAME: '../x' }, 'PROFILE_NAME: expected letters, digits, ".", "_" and "-", got "../x"');
  refuses({ PROFILE_ADDR: '0.0.0.0:6062' }, 'PROFILE_ADDR: expected a loopback address');
  refuses({ PROFILE_ADDR: 'here' }, 'PROFILE_ADDR: expected a loopback address');

  it('names the capture for the pipeline', () => {
    expect(readProfileSettings({ PROFILE_CAPTURE: '1' }, 2).capture?.name).toBe('v2');
  });

  it('lists every problem at once', () => {
    expect(() => readProfileSettings({ PROFILE_CAPTURE: 'x', PROFILE_ENABLED: 'y' }, 1)).toThrow(
      /CAPTURE.*\n.*ENABLED/,
    );
  });
});
