// Every kind that a configuration can name: a row a kind.

import { toListenAddress } from '../config/config.ts';
import type { BlockFraming } from '../decode/decode.ts';
import { createCountedFraming } from '../decode/frames/counted-framing.ts';
import { createDatagramFraming } from '../decode/frames/datagram-framing.ts';
import { createNewlineFraming } from '../decode/frames/newline-framing.ts';
import { createUniversalFraming } from '../decode/frames/universal-framing.ts';
import { type ClientRate, createClientRate } from '../inputs/client-rate.ts';
import { createDatagramInput, type DatagramSource } from '../inputs/datagram-input.ts';
import type { Input, InputFlow } from '../inputs/inputs.ts';
import { createPipeInput, type PipeSource } from '../inputs/pipe-input.ts';
import { createDescriptorSource, createFifoSource } from '../inputs/pipe-source.ts';
import { createStreamInput } from '../inputs/stream-input.ts';
import type { StreamServerOptions } from '../inputs/stream-server.ts';
import { createSyslogInput } from '../inputs/syslog-input.ts';
import { createUdpSource, type UdpOptions } from '../inputs/udp-source.ts';
import { createUnixgramSource } from '../inputs/unixgram-source.ts';
import { countFrames } from '../lines/block-form.ts';
import { FRAME_KINDS } from '../lines/frame-header.ts';
import type { Log } from '../log.ts';
import { openTlsFiles, type TlsFiles } from '../runtime/tls-files.ts';
import type { InputConfig } from './input-config.ts';

/** The kind of a counted frame, by the format of its input: any text but JSON is `text`. */
function kindOf(format: InputConfig['format']): number {
  return format === 'json' || format === 'protobuf' || format === 'avro' ? FRAME_KINDS[format] : FRAME_KINDS.text;
}

const FRAMINGS: Readonly<Record<InputConfig['framing'], (config: InputConfig) => BlockFraming>> = {
  newline: createNewlineFraming,
  universal: createUniversalFraming,
  'octet-counted': ({ maxFrameBytes, format }) =>
    createCountedFraming({ maxFrameBytes, kind: kindOf(format), orLines: false }),
};

/** How the frames of an input end. */
export function createFraming(config: InputConfig): BlockFraming {
  const { type, framing, maxFrameBytes } = config;
  if (type === 'syslog') return createCountedFraming({ maxFrameBytes, kind: FRAME_KINDS.text, orLines: true });
  return type === 'udp' || type === 'unixgram' ? createFramingOfDatagrams(config) : FRAMINGS[framing](config);
}

/** A message of syslog may have several lines, and is one record. */
function createFramingOfDatagrams({ type, format, maxFrameBytes }: InputConfig): BlockFraming {
  const holds = type === 'syslog' || format === 'syslog' || format === 'auto' ? 'messages' : 'lines';
  return createDatagramFraming({ maxFrameBytes, holds, kind: FRAME_KINDS.text });
}

export interface InputParts {
  readonly config: InputConfig;
  readonly flow: InputFlow;
  readonly framing: BlockFraming;
  readonly log: Log;
}

type CreateInput = (parts: InputParts) => Input;

const INPUTS: Readonly<Record<InputConfig['type'], CreateInput>> = {
  tcp: (parts) => createTcp(parts, createRate(parts)),
  unixsock: (parts) => createStreams(parts, { path: parts.config.path }, undefined, undefined),
  syslog: createSyslog,
  udp: (parts) => createUdp(parts, createRate(parts), () => toListenAddress(parts.config.addr)),
  unixgram: (parts) => createDatagrams(parts, createUnixgramSource(parts.config), undefined),
  fifo: (parts) => createPipe(parts, createFifoSource(parts.config.path)),
  stdin: (parts) => createPipe(parts, createDescriptorSource(STANDARD_INPUT)),
};

const STANDARD_INPUT = 0;

/** An input of the configuration. It takes nothing before its start. */
export function createInput(parts: InputParts): Input {
  return INPUTS[parts.config.type](parts);
}

function createTcp(parts: InputParts, rate: ClientRate | undefined): Input {
  const { addr } = parts.config;
  return createStreams(parts, { host: undefined, ...toListenAddress(addr) }, openTls(parts), rate);
}

function createUdp(parts: InputParts, rate: ClientRate | undefined, listen: UdpOptions['listen']): Input {
  const { name, receiveBuffer } = parts.config;
  return createDatagrams(parts, createUdpSource({ name, listen, receiveBuffer, log: parts.log }), rate);
}

function createDatagrams(
  { config, flow, framing, log }: InputParts,
  source: DatagramSource,
  rate: ClientRate | undefined,
): Input {
  const { name, maxFrameBytes } = config;
  return createDatagramInput({
    name,
    source,
    framing,
    countFrames: (frames) => countFrames(framing.form, frames),
    maxFrameBytes,
    flow,
    rate,
    log,
  });
}

function createPipe({ config, flow, framing, log }: InputParts, source: PipeSource): Input {
  const { name, maxFrameBytes } = config;
  return createPipeInput({ name, source, framing, maxFrameBytes, flow, log });
}

/** UDP and TCP on one address. */
function createSyslog(parts: InputParts): Input {
  const { config, flow } = parts;
  const { host, port } = toListenAddress(config.addr);
  const rate = createRate(parts);
  return createSyslogInput({
    name: config.name,
    flow,
    isAnyPort: port === 0,
    create({ ofStreams, ofDatagrams }) {
      const streams = createTcp({ ...parts, flow: ofStreams }, rate);
      let opened = port;
      const ofConnections: Input = {
        ...streams,
        async start() {
          const where = await streams.start();
          opened = toListenAddress(where).port;
          return where;
        },
      };
      const framing = createFramingOfDatagrams(config);
      const datagrams = createUdp({ ...parts, framing, flow: ofDatagrams }, rate, () => ({ host, port: opened }));
      return { streams: ofConnections, datagrams };
    },
  });
}

function createRate({ config: { rateLimit } }: InputParts): ClientRate | undefined {
  return rateLimit === 'off' ? undefined : createClientRate(rateLimit);
}

function createStreams(
  { config, flow, framing, log }: InputParts,
  listen: StreamServerOptions['listen'],
  tls: TlsFiles | undefined,
  rate: ClientRate | undefined,
): Input {
  const { name, maxFrameBytes, maxConnections, idleTimeout, maxInFlightBytes } = config;
  return createStreamInput({
    name,
    listen,
    tls,
    framing,
    maxFrameBytes,
    limits: {
      maxConnections,
      idleTimeoutMs: idleTimeout === 'off' ? undefined : idleTimeout,
      maxUnfinishedBytes: maxInFlightBytes,
    },
    flow,
    pace: rate && ((client, frames) => rate.charge(client, countFrames(framing.form, frames))),
    log,
  });
}

function openTls({ config: { name, tls }, log }: InputParts): TlsFiles | undefined {
  if (tls.cert === '') return undefined;
  const clientCa = tls.clientCa === '' ? undefined : tls.clientCa;
  return openTlsFiles({ ...tls, clientCa, name: `input ${name}`, log });
}
