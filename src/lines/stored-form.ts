import { toWords } from './scan-text.ts';

// What stands around the three values of a stored line, as words:
// {"timestamp":"2025-11-22T15:23:00Z","path":"/home","userAgent":"Mozilla/5.0"}

export const HEAD = toWords('{"timestamp":"');
export const HEAD_LENGTH = 14;
export const PATH = toWords('","path":"');
export const PATH_LENGTH = 10;
export const USER_AGENT = toWords('","userAgent":"');
export const USER_AGENT_LENGTH = 15;
