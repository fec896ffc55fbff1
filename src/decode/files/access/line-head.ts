import type { AccessFields } from '../line-format.ts';
import { unescapeLog } from '../unescape.ts';

type Head = Pick<AccessFields, 'client' | 'user' | 'host'>;

const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?$/;
const IPV6 = /^\[?[\da-f]*:[\da-f]*:[\da-f:.]*(?:%\w+)?\]?(?::\d{1,5})?$/i;
const MAX_ADDRESS_LENGTH = 80;

/**
 * What stands before the time: `client ident user`, where the user may have blanks, or some of it; in front of it there may be the virtual
 * host. The ident is dropped. Several addresses with commas between them, as in X-Forwarded-For, are one client.
 */
export function readHead(head: string): Head {
  const words = head.split(/[ \t]+/);
  const host = hasHost(words) ? words.shift() : undefined;
  let clientEnd = 1;
  while (clientEnd < words.length && words[clientEnd - 1]?.endsWith(',')) clientEnd++;
  const others = words.slice(clientEnd);
  const userFrom = others.length > 1 ? 1 : 0;
  return {
    client: present(
      words
        .slice(0, clientEnd)
        .join(' ')
        .replace(/^\[([^\]]*)\]$/, '$1'),
    ),
    user: present(others.slice(userFrom).join(' ')),
    host: present(host ?? '-'),
  };
}

/** Before a client stands another word only where that is a virtual host. */
function hasHost([first = '', second = '', third, fourth]: readonly string[]): boolean {
  if (first.endsWith(',')) return false;
  if (isAddress(second)) return fourth !== undefined || !isAddress(first);
  return fourth !== undefined && second !== '-' && third === '-';
}

function isAddress(word: string): boolean {
  return word.length <= MAX_ADDRESS_LENGTH && (IPV4.test(word) || IPV6.test(word));
}

/** Undefined where the text says that there is nothing. */
function present(text: string): string | undefined {
  const value = unescapeLog(text).trim();
  return /^[- ]*$/.test(value) || value === '""' ? undefined : value;
}
