/** A text of a log: undefined where it is absent, which logs write as a dash or as nothing. */
export function present(text: string | undefined): string | undefined {
  const trimmed = text?.trim();
  return trimmed === undefined || trimmed === '' || trimmed === '-' ? undefined : trimmed;
}

/** For fields that every record has: `-` where it is absent. */
export function orDash(text: string | undefined): string {
  return present(text) ?? '-';
}

/** An HTTP status; undefined for a dash, 0, 000 and -1, by which logs say that there was no answer. */
export function readStatus(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d\d$/.test(text) ? Number(text) : undefined;
}

/** A number of bytes. HAProxy puts a `+` before it where it logs before the end. */
export function readBytes(text: string | undefined): number | undefined {
  return text !== undefined && /^\+?\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Seconds of a duration that is written in units of a second's `perSecond`-th; undefined where it is absent or negative. */
export function readDuration(text: string | undefined, perSecond: number): number | undefined {
  if (text === undefined || !/^\+?\d{1,15}(?:\.\d{1,12})?$/.test(text)) return undefined;
  return roundSeconds(Number(text) / perSecond);
}

/** To nanoseconds, so that no digits of binary fractions are stored. */
export function roundSeconds(seconds: number): number {
  return Math.round(seconds * 1e9) / 1e9;
}

/** What was found, for reasons: quoted, and cut. */
export function shown(text: string): string {
  return text === '' ? 'the end of the line' : JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}

/** Sequences of `%hh` that are UTF-8 as what they stand for; others as they are, but for blanks. */
export function decodePercent(text: string): string {
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run.replaceAll('%20', ' ');
    }
  });
}
