/**
 * Finds a text in the bytes [start, end) in time linear in both, whatever they are (Knuth, Morris and Pratt, "Fast pattern matching in
 * strings", 1977). Buffer.indexOf is many times faster where the text is rare, but its worst case is the product of both lengths.
 */
export function createTextFinder(text: Buffer): (bytes: Buffer, start: number, end: number) => boolean {
  const borders = bordersOf(text);
  return function hasText(bytes, start, end) {
    let matched = 0;
    for (let at = start; at < end && matched < text.length; at++) {
      const byte = bytes[at];
      while (matched > 0 && text[matched] !== byte) matched = borders[matched - 1] as number;
      if (text[matched] === byte) matched++;
    }
    return matched === text.length;
  };
}

/** For each length but 0 of a beginning of the text, how long its longest border is: a shorter beginning of it that also ends it. */
function bordersOf(text: Buffer): Uint32Array {
  const borders = new Uint32Array(text.length);
  let length = 0;
  for (let at = 1; at < text.length; at++) {
    while (length > 0 && text[at] !== text[length]) length = borders[length - 1] as number;
    if (text[at] === text[length]) length++;
    borders[at] = length;
  }
  return borders;
}
