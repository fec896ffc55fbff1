/** Whether an operation failed because there is no such file. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

/** Whether an operation failed because there is no such file, or because a part of its path is not a folder. */
export function isAbsent(error: unknown): boolean {
  return isMissing(error) || codeOf(error) === 'ENOTDIR';
}

/** Whether an operation failed because there is such a file already. */
export function isFound(error: unknown): boolean {
  return codeOf(error) === 'EEXIST';
}

/** Whether an operation failed because the process, or the machine, has no file descriptor left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'EMFILE' || code === 'ENFILE';
}

/** What an operation of Node.js says about its failure, such as `ENOENT`. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
