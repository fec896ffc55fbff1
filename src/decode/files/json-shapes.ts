import { type FieldPair, fieldMapOf, parseFieldMap } from '../../model/field-map.ts';
import type { AccessValues, DurationUnit, Meaning, ValueSources } from './access-values.ts';
import type { JsonPlan } from './json-plan.ts';
import type { JsonObject } from './json-text.ts';

/*
 * The JSON that programs write of a request, each a table of where the fields stand (field-map.ts). A line is of the first whose `needs` are
 * all there. nginx and others whose names are their operator's have no table but a list of usual names: json-names.ts.
 */
export interface Shape extends Meaning {
  /** The sources that a line of this shape has. */
  readonly needs: readonly FieldPair[];
  readonly sources: ValueSources;
}

/** Kong's http-log and file-log: https://developer.konghq.com/plugins/http-log/ . */
const KONG = shape('request.uri,start=started_at', 'ms', {
  timestamp: 'started_at',
  path: 'request.uri',
  userAgent: 'request.headers.user-agent',
  client: 'client_ip',
  user: 'consumer.username',
  host: 'request.headers.host',
  method: 'request.method',
  status: 'response.status',
  bytes: 'response.size',
  referrer: 'request.headers.referer',
  duration: 'latencies.request',
});

/** Caddy 2: https://caddyserver.com/docs/logging . `duration_format` and `time_format` change the two; before 2.5 there is remote_addr. */
const CADDY = shape('request.uri', 's', {
  timestamp: 'ts',
  path: 'request.uri',
  userAgent: 'request.headers.User-Agent[0]|request.headers.User-Agent',
  client: 'request.client_ip|request.remote_ip|request.remote_addr',
  user: 'user_id',
  host: 'request.host',
  method: 'request.method',
  protocol: 'request.proto',
  status: 'status',
  bytes: 'size',
  referrer: 'request.headers.Referer[0]|request.headers.Referer',
  duration: 'duration',
});

/** Traefik: https://doc.traefik.io/traefik/observability/access-logs/ . `time` is when the line was written, without a fraction. */
const TRAEFIK = shape('RequestPath', 'ns', {
  timestamp: 'StartUTC|StartLocal|time',
  path: 'RequestPath',
  userAgent: 'request_User-Agent',
  client: 'ClientHost|ClientAddr',
  user: 'ClientUsername',
  host: 'RequestHost|RequestAddr',
  method: 'RequestMethod',
  protocol: 'RequestProtocol',
  status: 'DownstreamStatus|OriginStatus',
  bytes: 'DownstreamContentSize|OriginContentSize',
  referrer: 'request_Referer',
  duration: 'Duration',
});

/** Cloudflare Logpush, data set http_requests: https://developers.cloudflare.com/logs/logpush/logpush-job/datasets/zone/http_requests/ . */
const CLOUDFLARE = shape('ClientRequestURI|ClientRequestPath', 's', {
  timestamp: 'EdgeStartTimestamp|EdgeEndTimestamp',
  path: 'ClientRequestURI|ClientRequestPath',
  userAgent: 'ClientRequestUserAgent',
  client: 'ClientIP',
  host: 'ClientRequestHost',
  method: 'ClientRequestMethod',
  protocol: 'ClientRequestProtocol',
  status: 'EdgeResponseStatus',
  bytes: 'EdgeResponseBytes',
  referrer: 'ClientRequestReferer',
});

/** HttpRequest of Google's LogEntry: https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#HttpRequest . */
const GOOGLE = shape('httpRequest.requestUrl', 's', {
  timestamp: 'timestamp|receiveTimestamp',
  path: 'httpRequest.requestUrl',
  userAgent: 'httpRequest.userAgent',
  client: 'httpRequest.remoteIp',
  method: 'httpRequest.requestMethod',
  protocol: 'httpRequest.protocol',
  status: 'httpRequest.status',
  bytes: 'httpRequest.responseSize',
  referrer: 'httpRequest.referer',
  duration: 'httpRequest.latency',
});

/** Envoy and Istio: the operators' own names in the usual spelling. */
const ENVOY = shape('start_time,code=response_code|response_code_details', 'ms', {
  timestamp: 'start_time',
  path: 'x-envoy-original-path|x_envoy_original_path|x-envoy-origin-path|path|":path"',
  userAgent: 'user_agent|user-agent',
  client: 'downstream_remote_address|downstream_direct_remote_address',
  host: 'authority|":authority"',
  method: 'method|":method"',
  protocol: 'protocol',
  status: 'response_code',
  bytes: 'bytes_sent',
  referrer: 'referer|referrer',
  duration: 'duration',
});

/** pino-http and other serializers of Node.js: https://github.com/pinojs/pino-std-serializers ; express-winston has them in `meta`. */
const NODE = shape('req.url|req.originalUrl|meta.req.url', 'ms', {
  timestamp: 'time|timestamp|"@timestamp"',
  path: 'req.originalUrl|req.url|meta.req.url',
  userAgent: 'req.headers.user-agent|req.headers.User-Agent|meta.req.headers.user-agent',
  client: 'req.remoteAddress|req.ip|meta.req.remoteAddress|meta.req.ip|remoteAddress',
  host: 'req.headers.host|req.host|req.hostname|meta.req.headers.host',
  method: 'req.method|meta.req.method',
  protocol: 'req.httpVersion|meta.req.httpVersion',
  status: 'res.statusCode|meta.res.statusCode',
  bytes: 'res.headers.content-length|res.contentLength',
  referrer: 'req.headers.referer|meta.req.headers.referer',
  duration: 'responseTime|meta.responseTime',
});

/** Elastic Common Schema: https://www.elastic.co/docs/reference/ecs . Its names have dots in them, or are nested. */
const ELASTIC = shape('"url.original"|"url.path"', 'ns', {
  timestamp: '"@timestamp"',
  path: '"url.original"|"url.path"',
  query: '"url.query"',
  userAgent: '"user_agent.original"',
  client: '"client.ip"|"source.ip"|"client.address"|"source.address"',
  user: '"user.name"',
  host: '"url.domain"',
  method: '"http.request.method"',
  protocol: '"http.version"',
  status: '"http.response.status_code"',
  bytes: '"http.response.body.bytes"|"http.response.bytes"',
  referrer: '"http.request.referrer"',
  duration: '"event.duration"',
});

/** Front Door and Application Gateway: https://learn.microsoft.com/azure/frontdoor/monitor-front-door . */
const AZURE = shape('properties.requestUri', 's', {
  timestamp: 'time|timeStamp',
  path: 'properties.originalRequestUriWithArgs|properties.requestUri',
  query: 'properties.requestQuery',
  userAgent: 'properties.userAgent',
  client: 'properties.clientIp|properties.clientIP',
  host: 'properties.hostName|properties.originalHost|properties.host',
  method: 'properties.httpMethod',
  protocol: 'properties.httpVersion',
  status: 'properties.httpStatusCode|properties.httpStatus',
  bytes: 'properties.responseBytes|properties.sentBytes',
  referrer: 'properties.referer|properties.referrer',
  duration: 'properties.timeTaken',
});

/** Vercel's log drains: https://vercel.com/docs/drains/reference/logs . */
const VERCEL = shape('proxy.path', 's', {
  timestamp: 'proxy.timestamp|timestamp',
  path: 'proxy.path',
  userAgent: 'proxy.userAgent[0]|proxy.userAgent',
  client: 'proxy.clientIp',
  host: 'proxy.host',
  method: 'proxy.method',
  status: 'proxy.statusCode',
  bytes: 'proxy.responseByteSize',
  referrer: 'proxy.referer',
});

/** Docker's registry, and Harbor's: https://distribution.github.io/distribution/ . */
const REGISTRY = shape('"http.request.uri"', 's', {
  timestamp: 'time|timestamp|"@timestamp"',
  path: '"http.request.uri"',
  userAgent: '"http.request.useragent"',
  client: '"http.request.remoteaddr"',
  host: '"http.request.host"',
  method: '"http.request.method"',
  status: '"http.response.status"',
  bytes: '"http.response.written"',
  referrer: '"http.request.referer"',
  duration: '"http.response.duration"',
});

/** A line with all of these may be a record as POST /logs takes it, whatever else it has. */
const OWN_FIELDS = parseFieldMap('timestamp=timestamp,path=path,userAgent=userAgent').pairs;

const SHAPES = [KONG, CADDY, TRAEFIK, CLOUDFLARE, GOOGLE, ENVOY, NODE, ELASTIC, AZURE, VERCEL, REGISTRY];

/** undefined where the line is of none. */
export function findShape({ value }: JsonObject): Shape | undefined {
  return SHAPES.find(({ needs }) => needs.every((pair) => isPresent(pair.read(value))));
}

/** The plan by which FastJson reads lines of a shape, and no others. */
export function planOfShape(shape: Shape): JsonPlan {
  const before = SHAPES.slice(0, SHAPES.indexOf(shape)).map(({ needs }) => needs);
  return { sources: shape.sources, meaning: shape, extras: [], needs: shape.needs, foreign: [OWN_FIELDS, ...before] };
}

/** An object is none of the values that the tables name. */
function isPresent(value: unknown): boolean {
  return value !== undefined && typeof value !== 'object';
}

function shape(
  needs: string,
  durationUnit: DurationUnit,
  sources: { readonly [Name in keyof AccessValues]?: string },
): Shape {
  const { pairs } = fieldMapOf(sources);
  return {
    needs: parseFieldMap(`needs=${needs}`).pairs,
    sources: Object.fromEntries(pairs.map((pair) => [pair.target, pair])),
    durationUnit,
    splitsUrls: true,
  };
}
