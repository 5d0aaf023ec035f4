import type { Agent } from 'node:http';
import { askHttp, type HttpAnswer, isAnswer, jsonOf } from './http-answer.ts';

/** `service`: PORT of a tasktrail; `receiver`: its OTLP port. */
export type ProgramKind =
  | 'service'
  | 'receiver'
  | 'prometheus'
  | 'grafana'
  | 'loki'
  | 'tempo'
  | 'jaeger-ui'
  | 'collector'
  | 'jaeger';

export interface KnownProgram {
  readonly kind: ProgramKind;
  /** With its article, for use in a sentence. */
  readonly name: string;
  /** The answer that identifies it. */
  readonly answer: HttpAnswer;
}

interface Row {
  readonly kind: ProgramKind;
  readonly name: string;
  readonly path: string;
  matches(answer: HttpAnswer): boolean;
}

/** For each program a path that only it answers in this way. The first matching row wins. */
const ROWS: readonly Row[] = [
  {
    kind: 'service',
    name: 'a tasktrail service',
    path: '/readyz',
    matches: (answer) => 'books' in (jsonOf(answer) ?? {}) && 'reasons' in (jsonOf(answer) ?? {}),
  },
  {
    kind: 'receiver',
    name: 'the OTLP receiver of a tasktrail',
    path: '/v1/metrics',
    matches: ({ text }) => /this receiver takes|send Authorization: Bearer/.test(text),
  },
  {
    kind: 'prometheus',
    name: 'a Prometheus',
    path: '/-/healthy',
    matches: ({ status, text }) => status === 200 && /prometheus/i.test(text.slice(0, 200)),
  },
  {
    kind: 'grafana',
    name: 'a Grafana',
    path: '/api/health',
    matches: (answer) => typeof jsonOf(answer)?.database === 'string',
  },
  {
    kind: 'loki',
    name: 'a Loki',
    path: '/loki/api/v1/status/buildinfo',
    matches: (answer) => answer.status === 200 && typeof jsonOf(answer)?.version === 'string',
  },
  {
    kind: 'tempo',
    name: 'a Tempo',
    path: '/api/echo',
    matches: ({ status, text }) => status === 200 && text.trim() === 'echo',
  },
  {
    kind: 'jaeger-ui',
    name: "a Jaeger's query port",
    path: '/api/v3/services',
    matches: (answer) => jaegerServices(answer) !== undefined,
  },
  // The receiver of the collector answers 405 to a GET of its paths. Jaeger has it for traces only.
  { kind: 'collector', name: 'a collector', path: '/v1/logs', matches: isPostOnly },
  { kind: 'jaeger', name: 'a Jaeger', path: '/v1/traces', matches: isPostOnly },
];

/** Identifies the program at this address (scheme, host and port). `agent` has the TLS settings. */
export async function knownProgramAt(origin: string, agent?: Agent): Promise<KnownProgram | undefined> {
  const answers = await Promise.all(ROWS.map(({ path }) => askHttp({ url: `${origin}${path}`, agent })));
  for (const [index, { kind, name, matches }] of ROWS.entries()) {
    const answer = answers[index];
    if (answer !== undefined && isAnswer(answer) && matches(answer)) return { kind, name, answer };
  }
  return undefined;
}

/** The services of a Jaeger; undefined for another program. Jaeger omits the field while it has no services. */
export function jaegerServices(answer: HttpAnswer): readonly unknown[] | undefined {
  if (answer.status !== 200) return undefined;
  const services = jsonOf(answer)?.services;
  if (Array.isArray(services)) return services;
  const isEmpty = answer.text.trim() === '{}' && answer.headers.traceresponse !== undefined;
  return isEmpty ? [] : undefined;
}

function isPostOnly({ status, text }: HttpAnswer): boolean {
  return status === 405 && /POST/.test(text);
}
