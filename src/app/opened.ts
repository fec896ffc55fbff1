/** What a start has opened, to be closed in reverse. */
export interface Opened {
  /** How the part that was opened last is closed. */
  onClose(close: () => unknown): void;
  /** Closes all parts, also after one that fails; rejects with the first failure. What is closed is not closed again. */
  close(): Promise<void>;
}

/** Runs a start. Where it fails, all that it has opened is closed before the failure is handed on. */
export async function closingOnFailure<Result>(start: (opened: Opened) => Promise<Result>): Promise<Result> {
  const opened = createOpened();
  try {
    return await start(opened);
  } catch (error) {
    await opened.close().catch(() => undefined);
    throw error;
  }
}

function createOpened(): Opened {
  const closing: (() => unknown)[] = [];
  return {
    onClose: (close) => void closing.push(close),
    async close() {
      const failures: unknown[] = [];
      for (const close of closing.splice(0).reverse()) {
        try {
          await close();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
