const STATUS_MS = 10_000;

/** Says every 10 s how it stands, when that has changed. Returns what ends this. */
export function reportStatus(describe: () => string | Promise<string>, say: (text: string) => void): () => void {
  let said = '';
  const timer = setInterval(async () => {
    const text = await describe();
    if (text !== said) say(text);
    said = text;
  }, STATUS_MS);
  return () => clearInterval(timer);
}
