import type { Appended, FoundLog, LinePiece, LineRange, LineStore } from '../model/line-store.ts';
import { HandedOver, type Handlers, type Remote } from '../runtime/channel.ts';

/** The calls of the line store that the main thread answers to its HTTP workers. */
export interface LineStoreCalls {
  appendLines(body: Uint8Array<ArrayBuffer>): Appended;
  findLog(name: Parameters<LineStore['find']>[0]): FoundLog | undefined;
  readLines(range: LineRange): LinePiece;
  listLogs(after: FoundLog | undefined): readonly FoundLog[];
  checkLineStore(): void;
}

/** A line store whose work is done by the thread at the other end of the channel. */
export function createRemoteLineStore(remote: Remote<LineStoreCalls>): LineStore {
  return {
    append: (body) =>
      remote
        .appendLines(new HandedOver(body, [body.buffer]))
        .catch((error: unknown) => ({ kind: 'unavailable', reason: String(error) }) as const),
    find: (name) => remote.findLog(name),
    read: (range) => remote.readLines(range),
    list: (after) => remote.listLogs(after),
    check: () => remote.checkLineStore(),
  };
}

/** The other end. Absent: the line store is off, and is not asked. */
export function serveLineStore(lineStore: LineStore | undefined): Handlers<LineStoreCalls> {
  const get = (): LineStore => {
    if (lineStore === undefined) throw new Error('the line store is off');
    return lineStore;
  };
  return {
    appendLines: async (body) => get().append(body),
    findLog: async (name) => get().find(name),
    readLines: async (range) => {
      const piece = await get().read(range);
      return new HandedOver(piece, [piece.bytes.buffer]);
    },
    listLogs: async (after) => get().list(after),
    checkLineStore: async () => get().check(),
  };
}
