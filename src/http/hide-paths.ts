/**
 * A text of an error as a client may see it: of an absolute path of the server only its last name. The log has the whole path. Only for
 * texts that name no route, which looks like a path.
 */
export function hidePaths(text: string): string {
  return text
    .replace(/(['"])(\/[^'"]*)\1/g, (_, quote: string, path: string) => `${quote}${lastName(path)}${quote}`)
    .replace(/(?<![\w/.…])\/(?!\/)[^\s'",;()]*[^\s'",;:.()]/g, lastName);
}

function lastName(path: string): string {
  return `…/${path.slice(path.lastIndexOf('/', path.length - 2) + 1)}`;
}
