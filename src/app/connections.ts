import type { Config } from '../config/config.ts';
import type { Log } from '../log.ts';
import {
  type DescriptorShares,
  divideConnections,
  readDescriptorLimit,
  shareDescriptors,
} from '../runtime/descriptors.ts';

type InputConfig = Config['inputs'][number];

/** Those whose senders have a connection each. */
const STREAM_TYPES: readonly InputConfig['type'][] = ['tcp', 'unixsock', 'syslog'];

/**
 * Divides the descriptors that the process may open among data files and the connections of HTTP and of all inputs. Gives the configuration
 * with as many connections as fit. The log says at the start how many descriptors there are, and where fewer connections fit than are
 * configured.
 */
export function fitConnections(
  config: Config,
  log: Pick<Log, 'info' | 'warn'>,
  limit = readDescriptorLimit(),
): { readonly config: Config; readonly descriptors: DescriptorShares } {
  const { server, inputs } = config;
  const { maxConnections, threads } = server;
  const wanted = inputs.map((input) => (STREAM_TYPES.includes(input.type) ? input.maxConnections : 0));
  const all = wanted.reduce((sum, connections) => sum + connections, maxConnections);
  const descriptors = shareDescriptors({ limit, maxConnections: all, threads });
  log.info('file descriptors', { ...descriptors });
  const [ofServer = 0, ...ofInputs] = divideConnections(descriptors.connections, [maxConnections, ...wanted]);
  if (ofServer < maxConnections)
    log.warn('server.maxConnections is more than the limit of file descriptors allows; fewer are accepted', {
      maxConnections,
      allowed: ofServer,
      limit,
    });
  const withAllowed = (input: InputConfig, allowed = 0): InputConfig => {
    if (!STREAM_TYPES.includes(input.type) || allowed >= input.maxConnections) return input;
    const about = { input: input.name, maxConnections: input.maxConnections, allowed, limit };
    log.warn('maxConnections of an input is more than the limit of file descriptors allows; fewer are accepted', about);
    return { ...input, maxConnections: allowed };
  };
  return {
    config: {
      ...config,
      server: { ...server, maxConnections: ofServer },
      inputs: inputs.map((input, i) => withAllowed(input, ofInputs[i])),
    },
    descriptors,
  };
}
