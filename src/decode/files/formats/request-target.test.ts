import { expect, test } from 'vitest';
import { splitTarget } from './request-target.ts';

test.each([
  ['https://www.example.com:443/c?q=https://a', 'www.example.com', '/c?q=https://a'],
  ['http://www.example.com:80', 'www.example.com', '/'],
  ['http://www.example.com:443/', 'www.example.com:443', '/'],
  ['https://user:secret@example.com/c', 'example.com', '/c'],
  ['https://[2001:db8::1]:8443/c', '[2001:db8::1]:8443', '/c'],
  ['https://example.com?q=@', 'example.com', '/?q=@'],
])('takes %s apart', (target, host, path) => {
  expect(splitTarget(target)).toEqual({ host, path });
});

test.each(['/c?u=http://a/b', '*', 'example.com:443', '://a'])('leaves the target %s as it is', (target) => {
  expect(splitTarget(target)).toEqual({ path: target });
});
