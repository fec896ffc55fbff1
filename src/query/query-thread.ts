import { hourToIso } from '../model/hour.ts';
import { isDefaultStream, type Stream, type StreamName } from '../model/stream.ts';
import { HandedOver, type Handlers } from '../runtime/channel.ts';
import { withCauses } from '../runtime/thread.ts';
import { type QueryHour, QueryTextError, type RecordQuery } from './query.ts';
import { createQueryRun, type QueryParts, type QueryRun, type Step } from './run-query.ts';

/** The calls that the query thread answers. Queries take turns by them: each step is short. */
export interface QueryCalls {
  /** What is wrong with a parameter; undefined when the query can run. */
  begin(query: { readonly id: number; readonly query: RecordQuery }): ParameterFault | undefined;
  step(step: {
    readonly id: number;
    /** Further hours, where the step before asked for them. */
    readonly hours: readonly QueryHour[];
    readonly isEnd: boolean;
  }): Step;
  end(id: number): void;
}

export interface ParameterFault {
  readonly parameter: string;
  readonly rule: string;
}

/** The end of the thread: answers the calls of createRecords. */
export function serveQueries(parts: QueryParts & { readonly streams: readonly Stream[] }): Handlers<QueryCalls> {
  const runs = new Map<number, QueryRun>();
  const streams = new Map<StreamName, Stream>(parts.streams.map((stream) => [stream.name, stream]));

  function begin(id: number, query: RecordQuery): ParameterFault | undefined {
    const stream = streams.get(query.stream);
    if (stream === undefined) return { parameter: 'stream', rule: `must be one of ${[...streams.keys()].join(', ')}` };
    try {
      runs.set(id, createQueryRun(query, stream, parts));
      return undefined;
    } catch (error) {
      if (error instanceof QueryTextError) return { parameter: error.parameter, rule: error.message };
      throw withCauses(error);
    }
  }

  function end(id: number): void {
    runs.get(id)?.close();
    runs.delete(id);
  }

  return {
    begin: async ({ id, query }) => begin(id, query),
    async step({ id, hours, isEnd }) {
      const run = runs.get(id);
      if (run === undefined) throw new Error('the thread that ran the query died');
      try {
        if (hours.length > 0 || isEnd) run.add(hours, isEnd);
        const step = run.step();
        if (step.state === 'done') end(id);
        // OutputSlice gives memory of its own.
        return step.bytes.length === 0 ? step : new HandedOver(step, [step.bytes.buffer as ArrayBuffer]);
      } catch (error) {
        end(id);
        throw withCauses(error);
      }
    },
    end: async (id) => end(id),
  };
}

/** A damaged part for the log. */
export function describeHour({ stream, hour }: { readonly stream: StreamName; readonly hour: number }): object {
  return { ...(!isDefaultStream(stream) && { stream }), hour: hourToIso(hour) };
}
