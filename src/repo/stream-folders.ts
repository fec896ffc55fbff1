import { join } from 'node:path';
import { isDefaultStream, type StreamName } from '../model/stream.ts';

/** The folder of a stream's hours, or of its summaries: `parent` itself for the default stream, else the folder of its name in it. */
export function streamFolder(parent: string, stream: StreamName): string {
  return isDefaultStream(stream) ? parent : join(parent, stream);
}
