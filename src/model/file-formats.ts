/** Formats of files that a user can name. Without a name the format is recognised by the first bytes, never by the name of the file alone. */
export const FILE_FORMATS = [
  'combined',
  'common',
  'w3c',
  'iis',
  'cloudfront',
  'alb',
  'elb',
  's3',
  'haproxy',
  'ltsv',
  'traefik',
  'envoy',
  'proxy-manager',
  'ndjson',
  'json',
  'csv',
  'text',
] as const;
export type FileFormat = (typeof FILE_FORMATS)[number];
