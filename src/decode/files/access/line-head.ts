import { withoutPort } from '../client-address.ts';
import type { AccessFields } from '../line-format.ts';
import { unescapeLog } from '../unescape.ts';
import { looksLikeTime } from './bracket-time.ts';

type Head = Pick<AccessFields, 'client' | 'user' | 'host'>;

const IPV4 = /^\[?\d{1,3}(?:\.\d{1,3}){3}\]?(?::\d{1,5})?$/;
/** With two colons in a row, or more of them than a clock has. */
const IPV6 = /^\[?(?=.*::|(?:[^:]*:){6})[\da-f]*:[\da-f]*:[\da-f:.]*(?:%\w+)?\]?(?::\d{1,5})?$/i;
const MAX_ADDRESS_LENGTH = 80;
const MAX_HOST_LENGTH = 255;
/** A host with a dot or a port, or the one that has neither. An ident has no such form. */
const HOST = /^(?:[\w-]+(?:\.[\w-]+)+\.?|localhost|[\w-]+(?=:))(?::\d{1,5})?$/;
const QUOTE = /(?<!\\)"/g;

/**
 * What stands before the time: `client ident user`, where the user may have blanks, or some of it; in front of it there may be the virtual
 * host, or what another program has put there: a time, a level, names. lighttpd has the host in the place of the ident; any other ident is
 * dropped. Several addresses with commas between them, as in X-Forwarded-For, are one client. Quotes around values are no part of them.
 */
export function readHead(head: string): Head {
  const words = head
    .replace(QUOTE, ' ')
    .split(/[ \t]+/)
    .filter((word) => word !== '');
  const [first = '', second = ''] = words;
  const before = wordsBefore(words);
  if (before === 2 && isHostName(first) && !isAddress(first) && isAddress(second)) {
    return { ...readPeers(words.slice(before)), host: present(first) };
  }
  if (before > 1) return readPeers(words.slice(before));
  // A quoted address in front is the one of X-Forwarded-For, and the next that of the proxy.
  if (head.startsWith('"') && isAddress(first) && isAddress(second)) return readPeers([first, ...words.slice(2)]);
  if (!hasHost(words)) return readPeers(words);
  return { ...readPeers(words.slice(1)), host: cannotBeHost(first) ? undefined : present(first) };
}

/**
 * How many words stand before the client, or before the first of several with commas between them. 0 also where none is. The first that looks
 * like a client is it: what comes later may be the user, and the other side chooses how that looks.
 */
function wordsBefore(words: readonly string[]): number {
  let client = words.findIndex((_, at) => isClient(words, at));
  if (client === -1) return 0;
  if (isRepeated(words, client)) client += 2;
  while (words[client - 1]?.endsWith(',')) client--;
  return client;
}

/** An address with a dash after it. In front, or after the virtual host, also a name; and in front an address with lighttpd's host after it. */
function isClient(words: readonly string[], at: number): boolean {
  const [word = '', next = ''] = words.slice(at, at + 2);
  if (next !== '-') return at === 0 && isAddress(word) && isHostName(next) && !isAddress(next);
  return isAddress(word) || (isName(word) && (at === 0 || (at === 1 && isName(words[0] ?? ''))));
}

/** A name, or how servers write a client without an address. */
function isName(word: string): boolean {
  return word === '-' || word === 'unix:' || (isHostName(word) && !cannotBeHost(word));
}

/**
 * `192.0.2.1 - [192.0.2.1] - user` of ingress-nginx, or several with commas (X-Forwarded-For) and the nearest in brackets. After one address another
 * in brackets may be the name of the user.
 */
function isRepeated(words: readonly string[], client: number): boolean {
  const [first = '', , again = '', dash] = words.slice(client, client + 4);
  if (dash !== '-' || !again.startsWith('[') || !isAddress(again)) return false;
  return words[client - 1]?.endsWith(',') === true || withoutPort(again) === withoutPort(first);
}

/** A time, a clock, a number, or what ends in a colon is a prefix. */
function cannotBeHost(word: string): boolean {
  return !isAddress(word) && (looksLikeTime(word) || /^[\d.]+$|^\d\d:\d\d:\d\d|:$/.test(word));
}

function readPeers(words: readonly string[]): Head {
  let clientEnd = 1;
  while (clientEnd < words.length && words[clientEnd - 1]?.endsWith(',')) clientEnd++;
  const others = words.slice(clientEnd);
  const [second = ''] = others;
  const hasIdent = others.length > 1;
  const isHost = hasIdent && isAddress(words[0] ?? '') && isHostName(second);
  return {
    client: present(withoutPort(words.slice(0, clientEnd).join(' '))),
    user: present(
      others
        .slice(hasIdent ? 1 : 0)
        .join(' ')
        .replace(isHost ? /^- / : '', ''),
    ),
    host: isHost ? present(second) : undefined,
  };
}

/** Before a client stands another word only where that is a virtual host. */
function hasHost([first = '', second = '', third, fourth]: readonly string[]): boolean {
  if (first.endsWith(',')) return false;
  if (isAddress(second.replace(/,$/, ''))) return fourth !== undefined || !isAddress(first);
  if (isAddress(first) && isHostName(second)) return false;
  return fourth !== undefined && second !== '-' && third === '-';
}

function isHostName(word: string): boolean {
  return word.length <= MAX_HOST_LENGTH && HOST.test(word);
}

function isAddress(word: string): boolean {
  return word.length <= MAX_ADDRESS_LENGTH && (IPV4.test(word) || IPV6.test(word));
}

/** Undefined where the text says that there is nothing. */
function present(text = ''): string | undefined {
  const value = unescapeLog(text).trim();
  return /^[- ]*$/.test(value) ? undefined : value;
}
