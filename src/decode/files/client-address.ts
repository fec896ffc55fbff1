import { isIPv6 } from 'node:net';

const IPV4_AND_PORT = /^(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}$/;
const IN_BRACKETS = /^\[([\w:][\w:.%, -]*)\](?::\d{1,5})?$/;
const PORT = /^\d{1,5}$/;

/**
 * The client without its port, and without brackets around it. A port is certain after an address of IPv4 and after brackets; after any other
 * text (`2001:db8::1:4711`) only in a format that writes one with each client: `always`.
 */
export function withoutPort(client: string, port: 'maybe' | 'always' = 'maybe'): string {
  const address = (IPV4_AND_PORT.exec(client) ?? IN_BRACKETS.exec(client))?.[1];
  return address ?? (port === 'always' ? beforeLastColon(client) : client);
}

/** The whole text where it has no port after all. */
function beforeLastColon(client: string): string {
  const colon = client.lastIndexOf(':');
  const address = client.slice(0, Math.max(colon, 0));
  const isWhole = address === '' || !PORT.test(client.slice(colon + 1)) || (address.includes(':') && !isIPv6(address));
  return isWhole ? client : address;
}
