import { expect, it } from 'vitest';
import { closingOnFailure } from './opened.ts';

it('closes what is open in reverse, when the start fails', async () => {
  const closed: string[] = [];
  const start = closingOnFailure(async (opened) => {
    for (const part of ['first', 'second']) opened.onClose(() => closed.push(part));
    throw new Error('the port is taken');
  });
  await expect(start).rejects.toThrow('the port is taken');
  expect(closed).toEqual(['second', 'first']);
});

it('closes the others where one fails, and each once', async () => {
  const closed: string[] = [];
  const fail = async () => {
    closed.push('second');
    throw new Error('the disk is full');
  };
  const opened = await closingOnFailure(async (parts) => {
    parts.onClose(() => closed.push('first'));
    parts.onClose(fail);
    return parts;
  });
  await expect(opened.close()).rejects.toThrow('the disk is full');
  await opened.close();
  expect(closed).toEqual(['second', 'first']);
});
