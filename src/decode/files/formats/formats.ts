import type { LineFormat } from '../line-format.ts';
import { ALB, ELB } from './alb.ts';
import { ENVOY } from './envoy.ts';
import { HAPROXY } from './haproxy.ts';
import { LTSV } from './ltsv.ts';
import { PROXY_MANAGER } from './proxy-manager.ts';
import { S3 } from './s3.ts';
import { TRAEFIK } from './traefik.ts';
import { CLOUDFRONT, IIS, W3C } from './w3c.ts';

/**
 * The formats of access logs beside the combined family. They are asked before it: a line of Traefik is one of the combined format with
 * something after it, too.
 */
export const TEXT_FORMATS: readonly LineFormat[] = [
  W3C,
  IIS,
  CLOUDFRONT,
  ALB,
  ELB,
  S3,
  HAPROXY,
  LTSV,
  TRAEFIK,
  ENVOY,
  PROXY_MANAGER,
];
