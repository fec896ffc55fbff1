export interface Interpolated {
  readonly text: string;
  /** Whether anything was replaced: then the text may be read as a number, a switch or a list. */
  readonly changed: boolean;
  /** Variables that were not set and had no default: they are replaced by nothing. */
  readonly unset: readonly string[];
  readonly problems: readonly string[];
}

const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g;

/**
 * Replaces `${VAR}` (nothing when not set), `${VAR:-default}` and `${VAR:?message}` (both when not set or empty) in one
 * string value. The file is parsed before: so the value of a variable cannot change its structure. `$${` is `${`.
 */
export function interpolate(text: string, env: Readonly<Record<string, string | undefined>>): Interpolated {
  const unset: string[] = [];
  const problems: string[] = [];
  const replaced = text.replace(REFERENCE, (match, body: string | undefined, end: string) => {
    if (body === undefined) return '${';
    const reference = /^([A-Za-z_][A-Za-z0-9_]*)(?::([-?])([\s\S]*))?$/.exec(body);
    if (reference === null || end === '') {
      problems.push(
        `cannot read ${match}: expected \${VAR}, \${VAR:-default} or \${VAR:?message}; $\${ is a plain \${`,
      );
      return '';
    }
    const [, name = '', operator, operand = ''] = reference;
    const value = env[name] ?? '';
    if (value !== '') return value;
    if (operator === '-') return operand;
    if (operator === '?') problems.push(operand === '' ? `${name} is not set` : `${name} is not set: ${operand}`);
    else if (env[name] === undefined) unset.push(name);
    return '';
  });
  return { text: replaced, changed: replaced !== text || unset.length > 0, unset, problems };
}
