const STATUS_MS = 10_000;

/**
 * Says every 10 s how it stands, when that has changed; where `describe` fails, why. Returns what ends this: nothing is said after it, not what
 * was asked for before either.
 */
export function reportStatus(describe: () => string | Promise<string>, say: (text: string) => void): () => void {
  let said = '';
  let isOver = false;

  async function report(): Promise<void> {
    const text = await textOf(describe);
    if (isOver || text === said) return;
    said = text;
    say(text);
  }

  const timer = setInterval(() => void report(), STATUS_MS);
  return () => {
    isOver = true;
    clearInterval(timer);
  };
}

async function textOf(describe: () => string | Promise<string>): Promise<string> {
  try {
    return await describe();
  } catch (error) {
    return `cannot read the counts: ${error instanceof Error ? error.message : String(error)}`;
  }
}
