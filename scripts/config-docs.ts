import { writeFileSync } from 'node:fs';
import { isList, isSection, type Key, rootSection, type Section } from '../src/config/keys.ts';
import { OTHER_VARIABLES } from '../src/config/text-layers.ts';

/** The page that this script writes. */
export const CONFIG_DOCS = new URL('../docs/configuration.md', import.meta.url);

const INTRODUCTION = `# Configuration

Made from the schema by \`scripts/config-docs.ts\`; do not edit.

The service reads a YAML file (\`--config FILE\` or \`LOGFORGE_CONFIG\`), then the environment, then the flags. A later value
replaces an earlier one. Without a file it runs on the defaults below. \`logforge validate FILE\` checks a file and starts nothing. An
unknown key, a wrong type or a bad value is a problem: the service lists all of them with file, line and key, exits with status 78,
and starts nothing.

**Variables.** In string values of the file, \`\${VAR}\` is replaced by the value of \`VAR\` (by nothing when it is not set).
\`\${VAR:-default}\` has a default. \`\${VAR:?message}\` stops with the message. Both also apply when \`VAR\` is empty. \`$\${\` stands
for a plain \`\${\`. Variables are replaced after the file was parsed, so their values cannot change its structure. A value may also
become a number, a switch or a list (separated by commas).

**Environment.** Every key has a variable; the tables name it. An empty variable counts as not set. A list is separated by commas.
A list of objects, as \`streams\` is, has no variables; \`\${VAR}\` works in it. An unknown \`LOGFORGE_\` variable is a problem, except the variables that Kubernetes makes for a service of that name, and:

`;

const UNITS = `
**Units.** Durations are a whole number with \`ms\`, \`s\`, \`m\` or \`h\`; sizes are bytes, or a whole number with \`B\`, \`KiB\`,
\`MiB\` or \`GiB\`.
`;

/** The reference of every key as Markdown. */
export function renderConfigDocs(): string {
  const variables = Object.entries(OTHER_VARIABLES).map(([name, text]) => `- \`${name}\`: ${text}\n`);
  return [INTRODUCTION, ...variables, UNITS, ...renderSection(rootSection)].join('');
}

function* renderSection(section: Section): Generator<string> {
  const entries = [...section.entries.values()];
  const keys = entries.filter((entry): entry is Key => !isSection(entry) && !isList(entry));
  if (section.path !== '') yield `\n## ${section.path}\n\n${section.doc}\n`;
  if (keys.length > 0) {
    const isInList = section.path.includes('[]');
    yield `\n| key | default | takes | what it is |${isInList ? '' : ' environment |'}\n|---|---|---|---|${isInList ? '' : '---|'}\n`;
    for (const key of keys) yield isInList ? `${renderKey(key)}\n` : `${renderKey(key)} \`${key.env}\` |\n`;
  }
  for (const entry of entries) {
    if (isSection(entry)) yield* renderSection(entry);
    else if (isList(entry)) yield* renderSection(entry.item);
  }
}

/** Its row, but for the last column. */
function renderKey({ path, leaf }: Key): string {
  const name = path.slice(path.lastIndexOf('.') + 1);
  const byDefault =
    typeof leaf.default === 'string' && leaf.default !== '' ? leaf.default : JSON.stringify(leaf.default);
  const takes = leaf.expects.replace(/, such as .*/, '').replaceAll('|', '\\|');
  const what = `${leaf.doc}${leaf.secret ? ' Secret: never shown.' : ''}`.replaceAll('|', '\\|');
  return `| \`${name}\` | \`${byDefault}\` | ${takes} | ${what} |`;
}

// As a script it writes the page. A test fails while the page differs from the schema.
if (import.meta.main) writeFileSync(CONFIG_DOCS, renderConfigDocs());
