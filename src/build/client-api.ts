import { isJsonObject, type JsonObject, type JsonValue, objectOf } from '../model/json.ts';
import type { AnswerContent, Endpoint } from '../serve/contract/endpoint.ts';
import { ENDPOINTS } from '../serve/contract/endpoints.ts';
import { componentSchemas, jsonSchemaOf } from '../serve/contract/json-schema.ts';
import { bodySchema, querySchemas, requiredParameters } from '../serve/contract/openapi.ts';

const NOTE =
  '// Made by `npm run docs:rest` from the definitions in `src/serve/contract`. Changes here are lost.\n';

/** Lines of the made files are not longer, where that is possible. */
const WIDTH = 110;

/** Requests that have no method: what sends webhooks signs them. */
const LEFT_OUT = ['receiveWebhook'];

/** The text of `src/client/api/shapes.ts`: a type for each named schema of an answer. */
export function shapesFile(): string {
  const schemas = Object.entries(componentSchemas());
  const types = schemas.map(([name, schema]) => `type ${name} = ${typeOf(schema, '')};\n`);
  const names = schemas.map(([name]) => `  ${name},\n`);
  return [NOTE, ...types, `export type {\n${names.join('')}};\n`].join('\n');
}

/** The text of `src/client/api/queries.ts`: a type for the parameters, and for the body, of each request that has some. */
export function queriesFile(): string {
  const types = ENDPOINTS.flatMap((endpoint) => {
    const query = Object.entries(querySchemas(endpoint));
    const body = bodySchema(endpoint);
    return [
      ...(query.length > 0
        ? [`type ${queryName(endpoint)} = ${queryType(query, requiredParameters(endpoint))};\n`]
        : []),
      ...(body ? [`type ${bodyName(endpoint)} = ${typeOf(body, '')};\n`] : []),
    ];
  });
  const names = types.map((type) => `  ${type.split(' ')[1]},\n`);
  return [NOTE, ...types, `export type {\n${names.join('')}};\n`].join('\n');
}

/** The text of `src/client/api/operations.ts`: the methods of the client, and what they ask for. */
export function operationsFile(): string {
  const endpoints = ENDPOINTS.filter(
    ({ name, isOtherProtocol }) => !isOtherProtocol && !LEFT_OUT.includes(name),
  );
  const methods = endpoints.map((endpoint) => methodOf(endpoint, answerType(endpoint)));
  const paged = endpoints.filter(({ paging }) => paging !== undefined);
  const each = paged.map((endpoint) => methodOf(endpoint, `AsyncGenerator<${itemType(endpoint)}>`));
  const rows = endpoints.map(rowOf);
  const text = [...methods, ...each].join('');
  const isUsed = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(text);
  const imported = (names: readonly string[]): string => names.map((name) => `  ${name},\n`).join('');
  const inputs = endpoints
    .flatMap((one) => [bodyName(one), queryName(one)])
    .filter(isUsed)
    .sort();
  return [
    NOTE,
    "import type { CallOptions, Operation, StreamOptions } from '../operation.ts';\n",
    `import type {\n${imported(inputs)}} from './queries.ts';\n`,
    `import type {\n${imported(Object.keys(componentSchemas()).filter(isUsed))}} from './shapes.ts';\n\n`,
    '/** A method for each request of the REST API. */\n',
    `export interface Operations {\n${methods.join('')}}\n\n`,
    '/** The items of all pages, one after the other. */\n',
    `export interface PagedOperations {\n${each.join('')}}\n\n`,
    `export const OPERATIONS: Readonly<Record<keyof Operations, Operation>> = {\n${rows.join('')}};\n`,
  ].join('');
}

function methodOf(endpoint: Endpoint, answer: string): string {
  const { name, method, path, summary, body, query } = endpoint;
  const isQueryNeeded = requiredParameters(endpoint).length > 0;
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => `${parameter}: string`),
    ...(body ? [`body: ${bodyName(endpoint)}`] : []),
    ...(query ? [`query${isQueryNeeded ? '' : '?'}: ${queryName(endpoint)}`] : []),
    `options?: ${isStream(endpoint) ? 'StreamOptions' : 'CallOptions'}`,
  ];
  const signature = `${name}(${parameters.join(', ')}): ${answer};`;
  return `  /** ${summary}: \`${method} ${path}\`. */\n  ${signature}\n`;
}

function queryType(fields: readonly [string, JsonObject][], required: readonly string[]): string {
  return fieldsOf(
    fields.map(([name, schema]) =>
      required.includes(name)
        ? [`readonly ${name}`, typeOf(schema, '  ')]
        : [`readonly ${name}?`, `${typeOf(schema, '  ')} | undefined`],
    ),
    '',
  );
}

function queryName({ name }: Endpoint): string {
  return `${capital(name)}Query`;
}

function bodyName({ name }: Endpoint): string {
  return `${capital(name)}Body`;
}

function capital(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

function isStream({ answers }: Endpoint): boolean {
  return answers[200] !== undefined && contentOf(answers[200].content) === 'events';
}

function contentOf(content: AnswerContent): Operation {
  if (content === 'nothing') return 'nothing';
  if ('json' in content) return 'json';
  return 'text' in content ? 'text' : 'events';
}

type Operation = 'nothing' | 'json' | 'text' | 'events';

function answerType({ answers }: Endpoint): string {
  const types = Object.values(answers).map(({ content }) => {
    if (content === 'nothing') return undefined;
    if ('text' in content) return 'string';
    if ('json' in content) return typeOf(jsonSchemaOf(content.json, 'output'), '  ');
    const events = Object.entries(content.events).map(([event, data]) => {
      const type = typeOf(jsonSchemaOf(data, 'output'), '      ');
      return `\n    | { readonly event: '${event}'; readonly data: ${type}; readonly id: string | undefined }`;
    });
    return `AsyncGenerator<${events.join('')}\n  >`;
  });
  const [one = 'never', ...others] = [...new Set(types.filter((type) => type !== undefined))];
  if (one.startsWith('AsyncGenerator')) return one;
  return `Promise<${[one, ...others].join(' | ')}>`;
}

/** The type of the items of a page, or of the lines of a window. */
function itemType({ answers }: Endpoint): string {
  const content = answers[200]?.content;
  if (typeof content !== 'object' || !('json' in content)) return 'unknown';
  const schema = jsonSchemaOf(content.json, 'output');
  if (isJsonObject(schema.items)) return typeOf(schema.items, '  ');
  const page = objectOf(componentSchemas()[String(schema.$ref).split('/').at(-1) ?? '']);
  return typeOf(objectOf(objectOf(page.properties).items).items, '  ');
}

function rowOf(endpoint: Endpoint): string {
  const { name, method, path, answers, paging, query, body } = endpoint;
  const statuses = Object.keys(answers).filter((status) => Number(status) >= 400);
  const fields = [
    `method: '${method}'`,
    `path: '${path}'`,
    `answer: '${contentOf(answers[200]?.content ?? answers[202]?.content ?? 'nothing')}'`,
    ...(query ? ['hasQuery: true'] : []),
    ...(body ? ['hasBody: true'] : []),
    ...(paging ? [`paging: '${paging}'`] : []),
    // Such as a 503 that is no problem but says what is not ready.
    ...(statuses.length > 0 ? [`alsoAnswers: [${statuses.join(', ')}]`] : []),
  ];
  return `  ${name}: { ${fields.join(', ')} },\n`;
}

/** The TypeScript type of what a JSON Schema describes. */
function typeOf(schema: JsonValue | undefined, indent: string): string {
  if (!isJsonObject(schema)) return 'unknown';
  const { $ref, type, anyOf, const: constant, items, properties, additionalProperties } = schema;
  if (typeof $ref === 'string') return $ref.split('/').at(-1) ?? 'unknown';
  if (constant !== undefined) return literal(constant);
  if (Array.isArray(schema.enum)) return schema.enum.map(literal).join(' | ');
  if (Array.isArray(anyOf) && type === undefined) return anyOf.map((one) => typeOf(one, indent)).join(' | ');
  if (Array.isArray(type)) return type.map((one) => typeOf({ type: one }, indent)).join(' | ');
  if (type === 'integer' || type === 'number') return 'number';
  if (type === 'array') return `readonly ${grouped(typeOf(items, indent))}[]`;
  if (type !== 'object') return typeof type === 'string' ? type : 'unknown';
  if (properties === undefined) return `Readonly<Record<string, ${typeOf(additionalProperties, indent)}>>`;
  return objectType(schema, indent);
}

function objectType({ properties, required, additionalProperties }: JsonObject, indent: string): string {
  const isRequired = (name: string): boolean => Array.isArray(required) && required.includes(name);
  const fields = Object.entries(objectOf(properties)).map(([name, schema]): [string, string] => [
    `readonly ${name}${isRequired(name) ? '' : '?'}`,
    typeOf(schema, `${indent}  `),
  ]);
  if (isJsonObject(additionalProperties)) fields.push(['readonly [more: string]', 'unknown']);
  return fieldsOf(fields, indent);
}

function fieldsOf(fields: readonly (readonly [string, string])[], indent: string): string {
  const texts = fields.map(([name, type]) => `${name}: ${type}`);
  const line = `{ ${texts.join('; ')} }`;
  if (line.length < WIDTH - 40 && !line.includes('\n')) return line;
  return `{\n${texts.map((text) => `${indent}  ${text};\n`).join('')}${indent}}`;
}

function grouped(type: string): string {
  return type.includes(' | ') ? `(${type})` : type;
}

function literal(value: JsonValue | undefined): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : JSON.stringify(value);
}
