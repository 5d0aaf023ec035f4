import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { JsonObject } from '../../src/model/json.ts';
import type { Endpoint, EndpointAnswer } from '../../src/serve/contract/endpoint.ts';
import { ENDPOINTS } from '../../src/serve/contract/endpoints.ts';
import { componentSchemas, jsonSchemaOf } from '../../src/serve/contract/json-schema.ts';
import { problemCodes } from '../../src/serve/contract/openapi.ts';
import { problem } from '../../src/serve/contract/service-shapes.ts';
import { STORED } from '../../src/serve/contract/shape.ts';

/** An answer of the REST API as a client gets it. */
export interface SeenAnswer {
  readonly method: string;
  /** Where its endpoint may be, from the root of the service: one test mounts the API at the root, another one below `/api`. */
  readonly paths: readonly string[];
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined when it is too long, or not complete. */
  readonly body: string | undefined;
}

/** Headers with a meaning: each one must be described. */
const DESCRIBED = [
  'link',
  'location',
  'task-logs-first-line',
  'task-logs-left-out',
  'task-logs-lines',
  'task-logs-skipped-lines',
];

/** Vendors check an address with these. */
const HANDSHAKES = ['HEAD', 'OPTIONS'];

type Schema = Parameters<typeof jsonSchemaOf>[0];

/**
 * Compares answers with the definitions of the endpoints: a status, a media type, an error code, a header or a field that
 * they do not describe is a difference. With `hasPartialFiles` stored documents may lack fields: those of tests are short.
 */
export class Contract {
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  readonly #compiled = new Map<Schema, ValidateFunction>();

  constructor({ hasPartialFiles }: { readonly hasPartialFiles: boolean }) {
    const schemas = componentSchemas('closed') as Record<string, JsonObject>;
    this.#ajv.addSchema({
      $id: 'contract:',
      components: { schemas: hasPartialFiles ? withoutRequired(schemas) : schemas },
    });
  }

  /** One line for each difference. */
  differences(answer: SeenAnswer): readonly string[] {
    const found = this.#found(answer);
    return found.map((what) => `${answer.method} ${answer.paths[0]} ${answer.status}: ${what}`);
  }

  #found(answer: SeenAnswer): readonly string[] {
    const there = ENDPOINTS.filter((endpoint) => answer.paths.some((path) => patternOf(endpoint).test(path)));
    if (there.some(({ isOtherProtocol }) => isOtherProtocol)) return [];
    const method = answer.method === 'HEAD' ? 'GET' : answer.method;
    const endpoint = there.find((one) => one.method === method);
    // A server of a test may have a part of the routes.
    if (answer.status === 404 && answer.body?.includes('"nothing answers ')) return this.#problem(answer);
    if (endpoint === undefined) {
      const isHandshake = there[0]?.name === 'receiveWebhook' && HANDSHAKES.includes(answer.method);
      const isPreflight = answer.method === 'OPTIONS' && answer.status === 204;
      if (isHandshake || isPreflight) return [];
      return isProblem(answer) ? this.#problem(answer) : there.map(() => 'no such operation');
    }
    const described = endpoint.answers[answer.status];
    if (described !== undefined && !isProblem(answer)) return this.#answer(endpoint, described, answer);
    const codes = problemCodes(endpoint).get(answer.status);
    // A defect, and what stands before the routes: the check of the token and the method.
    const isOfServer = [401, 405, 500].includes(answer.status) && isProblem(answer);
    if (codes === undefined && !isOfServer) return ['the status is not described'];
    if (!isProblem(answer)) return [`${answer.headers['content-type']} instead of a problem`];
    const code = answer.body ? (JSON.parse(answer.body) as { code?: never }).code : undefined;
    const isKnown = isOfServer || code === undefined || codes?.has(code);
    return [...(isKnown ? [] : [`the code ${code} is not described`]), ...this.#problem(answer)];
  }

  #answer(
    endpoint: Endpoint,
    { content, headers = [] }: EndpointAnswer,
    answer: SeenAnswer,
  ): readonly string[] {
    const names = headers.map((name) => name.toLowerCase());
    const more = DESCRIBED.filter((name) => answer.headers[name] !== undefined && !names.includes(name));
    const found = more.map((name) => `the header ${name} is not described`);
    const type = answer.headers['content-type']?.split(';', 1)[0];
    const wanted = typeOf(content);
    if (type !== wanted) return [...found, `${type} instead of ${wanted}`];
    if (answer.body === undefined || answer.method === 'HEAD' || content === 'nothing') return found;
    if ('json' in content) found.push(...this.#check(content.json, JSON.parse(answer.body)));
    if ('events' in content)
      for (const { event, data } of framesOf(answer.body)) {
        const schema = content.events[event];
        if (schema === undefined) found.push(`the event ${event} is not described`);
        else found.push(...this.#check(schema, JSON.parse(data)).map((what) => `event ${event}: ${what}`));
      }
    if (endpoint.name === 'getOpenApi') return found.filter((what) => !what.includes('additional'));
    return found;
  }

  #problem({ body, method }: SeenAnswer): readonly string[] {
    return body === undefined || method === 'HEAD' ? [] : this.#check(problem, JSON.parse(body));
  }

  #check(schema: Schema, value: unknown): readonly string[] {
    let validate = this.#compiled.get(schema);
    if (validate === undefined) {
      const text = JSON.stringify(jsonSchemaOf(schema, 'output', 'closed'));
      validate = this.#ajv.compile(
        JSON.parse(text.replaceAll('"#/components', '"contract:#/components')) as object,
      );
      this.#compiled.set(schema, validate);
    }
    if (validate(value)) return [];
    const errors = (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    );
    return errors.slice(0, 5);
  }
}

function patternOf({ path }: Endpoint): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`);
}

function isProblem({ headers }: SeenAnswer): boolean {
  return headers['content-type'] === 'application/problem+json';
}

function typeOf(content: EndpointAnswer['content']): string | undefined {
  if (content === 'nothing') return undefined;
  if ('json' in content) return 'application/json';
  return 'text' in content ? content.text : 'text/event-stream';
}

function withoutRequired(schemas: Readonly<Record<string, JsonObject>>): JsonObject {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [
      name,
      STORED.has(name) ? { ...schema, required: undefined } : schema,
    ]),
  ) as JsonObject;
}

/** The complete events of a text. */
function framesOf(text: string): readonly { readonly event: string; readonly data: string }[] {
  const frames = text.split('\n\n').slice(0, -1);
  return frames.flatMap((frame) => {
    // Not by a pattern with `^` and `$`: they take U+2028, which data may hold, for the end of a line.
    const lines = frame.split('\n');
    const field = (name: string): string | undefined =>
      lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const [event, data] = [field('event'), field('data')];
    return event === undefined || data === undefined ? [] : [{ event, data }];
  });
}
