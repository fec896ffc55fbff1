import type { z } from 'zod';
import { type Hour, parseHour } from '../../model/hour.ts';
import { ACCESS_STREAM, type StreamName } from '../../model/stream.ts';
import { analyticsParameters } from '../docs/api-schemas.ts';
import { type Query, rangeFault, readParameters } from './parameters.ts';

/** The question to GET /analytics: one hour, or the hours in [from, to). */
export type AnalyticsQuery = (
  | { readonly kind: 'hour'; readonly hour: Hour }
  | { readonly kind: 'range'; readonly from: Hour; readonly to: Hour }
) & { readonly stream: StreamName; readonly top: number | undefined };

/** Reads the parameters of a query, or returns what is wrong with them. */
export function readAnalyticsQuery(query: Query): AnalyticsQuery | string {
  const given = readParameters(analyticsParameters, query);
  return typeof given === 'string' ? given : chooseKind(given);
}

function chooseKind(given: z.infer<typeof analyticsParameters>): AnalyticsQuery | string {
  const { stream = ACCESS_STREAM.name, top } = given;
  const [hour, from, to] = [given.hour, given.from, given.to].map((text) => parseHour(text ?? ''));
  if (hour !== undefined) {
    if (from !== undefined || to !== undefined) return 'ask for hour, or for from and to, not for both';
    return { kind: 'hour', stream, hour, top };
  }
  if (from === undefined && to === undefined) return 'ask for hour, or for from and to';
  if (from === undefined || to === undefined) return 'from and to must be given together';
  return rangeFault(from, to) ?? { kind: 'range', stream, from, to, top };
}
