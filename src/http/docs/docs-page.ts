import { createHash } from 'node:crypto';
import type { Json, MediaType, OpenApiDocument, OperationObject, ParameterObject, ResponseObject } from './openapi.ts';

/** A page and its Content-Security-Policy, which allows its style and nothing else. */
export interface Page {
  readonly html: string;
  readonly policy: string;
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: light-dark(#0b57d0, #8ab4f8); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
a { color: var(--accent); }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
code, pre { font: 0.9em/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: 0.75rem; border-radius: 6px; overflow-x: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.8rem 0.3rem 0; border-bottom: 1px solid var(--line); }
td > code { white-space: nowrap; }
.method { text-transform: uppercase; font-weight: 700; color: var(--accent); }
nav ul { list-style: none; padding: 0; }
`;

/** The document as one page, without scripts and without requests to other addresses. */
export function docsPage(document: OpenApiDocument): Page {
  const { info, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const schemas = Object.entries(components.schemas);
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(info.title)} API</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escapeHtml(info.title)} API <small>${escapeHtml(info.version)}</small></h1>
<p>${escapeHtml(info.summary)} ${escapeHtml(String(info.description ?? ''))} This page is also available as <a href="openapi.json">OpenAPI ${escapeHtml(document.openapi)}</a>.</p>
</header>
<nav aria-label="Operations"><ul>
${operations.map(({ path, method, operation }) => navEntry(path, method, operation)).join('\n')}
</ul></nav>
<main>
${operations.map(({ path, method, operation }) => operationSection(path, method, operation)).join('\n')}
<h2 id="schemas">Schemas</h2>
${schemas.map(([name, schema]) => schemaSection(name, schema)).join('\n')}
</main>
</body>
</html>
`;
  const hash = createHash('sha256').update(STYLE).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  return { html, policy };
}

function navEntry(path: string, method: string, { operationId, summary }: OperationObject): string {
  return `<li><a href="#${escapeHtml(operationId)}">${heading(path, method)}</a> ${escapeHtml(summary)}</li>`;
}

function operationSection(path: string, method: string, operation: OperationObject): string {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation;
  const keyClass = operation['x-key-class'];
  return `<section aria-labelledby="${escapeHtml(operationId)}">
<h2 id="${escapeHtml(operationId)}">${heading(path, method)}</h2>
<p><strong>${escapeHtml(summary)}.</strong> ${prose(description ?? '')}</p>
${keyClass === undefined ? '' : `<p>Needs an API key of the class ${keyClass}.</p>`}
${parameters.length === 0 ? '' : parameterTable(parameters)}
${Object.entries(requestBody?.content ?? {})
  .map(([type, { example }]) => exampleOf(exampleOfPath(path, parameters), method, type, example))
  .join('\n')}
${responseTable(responses)}
</section>`;
}

function heading(path: string, method: string): string {
  return `<code><span class="method">${escapeHtml(method)}</span> ${escapeHtml(path)}</code>`;
}

function parameterTable(parameters: readonly ParameterObject[]): string {
  const rows = parameters.map(({ name, in: place, required, description, schema }) => [
    `<code>${escapeHtml(name)}</code>${required ? ' (required)' : ''}`,
    place,
    typeOf(schema),
    prose(description),
  ]);
  return table('Parameters', ['Name', 'In', 'Type', 'Meaning'], rows);
}

/** The path with an example of each of its parameters. */
function exampleOfPath(path: string, parameters: readonly ParameterObject[]): string {
  return parameters.reduce((made, { name, example = '' }) => made.replace(`{${name}}`, example), path);
}

function exampleOf(path: string, method: string, type: string, example: unknown): string {
  const body = typeof example === 'string' ? example : `${JSON.stringify(example)}\n`;
  const put = method === 'put' ? '-X PUT ' : '';
  const command = `curl ${put}--data-binary @- -H 'Content-Type: ${type}' http://localhost:8082${path} <<'END'\n${body}END`;
  return `<h3><code>${escapeHtml(type)}</code></h3>\n<pre tabindex="0">${escapeHtml(command)}</pre>`;
}

function responseTable(responses: Readonly<Record<string, ResponseObject>>): string {
  const rows = Object.entries(responses).map(([status, { description, headers, content }]) => [
    status,
    prose(description),
    Object.entries(content)
      .map(([type, media]) => `<code>${escapeHtml(type)}</code> ${bodyOf(media)}`)
      .join('<br>'),
    Object.keys(headers)
      .map((name) => `<code>${escapeHtml(name)}</code>`)
      .join('<br>'),
  ]);
  return table('Answers', ['Status', 'When', 'Body', 'Headers'], rows);
}

function schemaSection(name: string, schema: Json): string {
  const required = new Set(listOf(schema.required));
  const rows = Object.entries(recordOf(schema.properties)).map(([property, value]) => [
    `<code>${escapeHtml(property)}</code>`,
    typeOf(recordOf(value)),
    required.has(property) ? 'always' : 'sometimes',
    prose(String(recordOf(value).description ?? '')),
  ]);
  const properties =
    rows.length === 0 ? `<p>${typeOf(schema)}</p>` : table('', ['Name', 'Type', 'Present', 'Meaning'], rows);
  return `<section aria-labelledby="schema-${escapeHtml(name)}">
<h3 id="schema-${escapeHtml(name)}">${escapeHtml(name)}</h3>
<p>${prose(String(schema.description ?? ''))}</p>
${properties}
</section>`;
}

function bodyOf({ schema, 'x-events': events }: MediaType): string {
  if (events === undefined) return typeOf(schema);
  return Object.entries(events)
    .map(([name, data]) => `<br><code>${escapeHtml(name)}</code>: ${typeOf(data)}`)
    .join('');
}

/** A schema in a few words of HTML. */
function typeOf(schema: Json): string {
  const { $ref, type, enum: choices, items, prefixItems, additionalProperties, minimum, maximum, examples } = schema;
  if (typeof $ref === 'string') return referenceTo($ref.slice($ref.lastIndexOf('/') + 1));
  const either = schema.oneOf ?? schema.anyOf;
  if (Array.isArray(either)) return either.map((one) => typeOf(recordOf(one))).join(' or ');
  if (Array.isArray(prefixItems)) return `[${prefixItems.map((one) => typeOf(recordOf(one))).join(', ')}]`;
  if (schema.const !== undefined) return `<code>${escapeHtml(JSON.stringify(schema.const))}</code>`;
  if (Array.isArray(choices)) return choices.map((one) => `<code>${escapeHtml(String(one))}</code>`).join(', ');
  if (type === 'array') return `list of ${typeOf(recordOf(items))}`;
  if (type === 'object' && Object.keys(recordOf(additionalProperties)).length > 0) {
    return `map to ${typeOf(recordOf(additionalProperties))}`;
  }
  if (type === 'object') return objectOf(recordOf(schema.properties));
  const range = maximum === undefined ? '' : ` ${escapeHtml(String(minimum))}–${escapeHtml(String(maximum))}`;
  const [example] = Array.isArray(examples) ? examples : [];
  const shown = example === undefined ? '' : `, such as <code>${escapeHtml(String(example))}</code>`;
  return `${escapeHtml(String(type ?? 'anything'))}${range}${shown}`;
}

function objectOf(properties: Json): string {
  const members = Object.entries(properties).map(([name, value]) => `${escapeHtml(name)}: ${typeOf(recordOf(value))}`);
  return members.length === 0 ? 'object' : `{ ${members.join(', ')} }`;
}

function referenceTo(name: string): string {
  return `<a href="#schema-${escapeHtml(name)}">${escapeHtml(name)}</a>`;
}

function table(caption: string, heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = heads.map((name) => `<th scope="col">${name}</th>`).join('');
  const body = rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('\n');
  const title = caption === '' ? '' : `<h3>${caption}</h3>\n`;
  return `${title}<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>\n${body}\n</tbody></table></div>`;
}

function recordOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Text in which `backticks` mark code. */
function prose(text: string): string {
  return escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
