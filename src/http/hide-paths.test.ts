import { describe, expect, it } from 'vitest';
import { hidePaths } from './hide-paths.ts';

describe('a text of an error for a client', () => {
  it.each([
    ["ENOENT: no such file or directory, open '/srv/log forge/logs/10.log.json'", "…/10.log.json'"],
    ['cannot open path=/srv/logs/10.log.json: ENOSPC: no space left on device, write', 'path=…/10.log.json: ENOSPC'],
    ['disk is full: 12 bytes free in /data', '12 bytes free in …/data'],
    ['cannot rename /a/b/c to "/a/b/d".', 'cannot rename …/c to "…/d".'],
    ["storage: EACCES: permission denied, access '/srv/state/'; kafka: away", "'…/state/'; kafka: away"],
  ])('names no folder of the server: %s', (text, expected) => {
    expect(hidePaths(text)).toContain(expected);
    expect(hidePaths(text)).not.toMatch(/\/(srv|a)\b/);
  });

  it.each([
    'the disk is full',
    'broker 127.0.0.1:9092 did not answer in 1/2 s',
    'see http://host/path',
    'and/or',
  ])('keeps the rest: %s', (text) => expect(hidePaths(text)).toBe(text));
});
