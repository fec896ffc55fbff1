import { writeFileSync } from 'node:fs';
import { isSection, type Key, rootSection, type Section } from '../src/config/keys.ts';
import { OTHER_VARIABLES } from '../src/config/text-layers.ts';

/** Where the reference lies. */
export const CONFIG_DOCS = new URL('../docs/configuration.md', import.meta.url);

const INTRODUCTION = `# Configuration

Made from the schema by \`scripts/config-docs.ts\`; do not edit.

The service reads a YAML file (\`--config FILE\` or \`LOGFORGE_CONFIG\`), then the environment, then the flags; later wins.
Without a file it runs on the defaults below. \`logforge validate FILE\` checks a file and starts nothing. An unknown key, a
wrong type or a bad value is a problem: all of them are listed with file, line and key, the exit status is 78, and nothing
is started.

**Variables.** Inside string values of the file, \`\${VAR}\` is what \`VAR\` holds (nothing when it is not set),
\`\${VAR:-default}\` has a default and \`\${VAR:?message}\` stops with the message; both also when \`VAR\` is empty. \`$\${\` is a
plain \`\${\`. They are replaced after the file was parsed, so what a variable holds cannot change the structure. A number,
a switch or a list (separated by commas) may come out of a variable.

**Environment.** Every key has its variable, named in the tables. An empty variable counts as not set, a list is separated by
commas. An unknown \`LOGFORGE_\` variable is a problem, except those that Kubernetes makes for a service of that name, and:

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
  const keys = entries.filter((entry): entry is Key => !isSection(entry));
  if (section.path !== '') yield `\n## ${section.path}\n\n${section.doc}\n`;
  if (keys.length > 0) {
    yield '\n| key | default | takes | what it is | environment |\n|---|---|---|---|---|\n';
    for (const key of keys) yield renderKey(key);
  }
  for (const entry of entries) if (isSection(entry)) yield* renderSection(entry);
}

function renderKey({ path, env, leaf }: Key): string {
  const name = path.slice(path.lastIndexOf('.') + 1);
  const byDefault =
    typeof leaf.default === 'string' && leaf.default !== '' ? leaf.default : JSON.stringify(leaf.default);
  const takes = leaf.expects.replace(/, such as .*/, '').replaceAll('|', '\\|');
  const what = `${leaf.doc}${leaf.secret ? ' Secret: never shown.' : ''}`.replaceAll('|', '\\|');
  return `| \`${name}\` | \`${byDefault}\` | ${takes} | ${what} | \`${env}\` |\n`;
}

// Run as a script, writes the reference; a test fails while it differs from the schema.
if (import.meta.main) writeFileSync(CONFIG_DOCS, renderConfigDocs());
