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
  /** As a sentence can go on with it. */
  readonly name: string;
  /** The answer that it is known by. */
  readonly answer: HttpAnswer;
}

interface Row {
  readonly kind: ProgramKind;
  readonly name: string;
  readonly path: string;
  isIt(answer: HttpAnswer): boolean;
}

/** One question each, of which only that program gives this answer. The first row that fits is it. */
const ROWS: readonly Row[] = [
  {
    kind: 'service',
    name: 'a tasktrail service',
    path: '/readyz',
    isIt: (answer) => 'books' in (jsonOf(answer) ?? {}) && 'reasons' in (jsonOf(answer) ?? {}),
  },
  {
    kind: 'receiver',
    name: 'the OTLP receiver of a tasktrail',
    path: '/v1/metrics',
    isIt: ({ text }) => /this receiver takes|send Authorization: Bearer/.test(text),
  },
  {
    kind: 'prometheus',
    name: 'a Prometheus',
    path: '/-/healthy',
    isIt: ({ status, text }) => status === 200 && /prometheus/i.test(text.slice(0, 200)),
  },
  {
    kind: 'grafana',
    name: 'a Grafana',
    path: '/api/health',
    isIt: (answer) => typeof jsonOf(answer)?.database === 'string',
  },
  {
    kind: 'loki',
    name: 'a Loki',
    path: '/loki/api/v1/status/buildinfo',
    isIt: (answer) => answer.status === 200 && typeof jsonOf(answer)?.version === 'string',
  },
  {
    kind: 'tempo',
    name: 'a Tempo',
    path: '/api/echo',
    isIt: ({ status, text }) => status === 200 && text.trim() === 'echo',
  },
  {
    kind: 'jaeger-ui',
    name: "a Jaeger's query port",
    path: '/api/v3/services',
    isIt: (answer) => jaegerServices(answer) !== undefined,
  },
  // A receiver of the collector knows its paths whatever the method; Jaeger has it for traces alone.
  { kind: 'collector', name: 'a collector', path: '/v1/logs', isIt: isPostOnly },
  { kind: 'jaeger', name: 'a Jaeger', path: '/v1/traces', isIt: isPostOnly },
];

/** What answers at this address (scheme, host and port; the agent has its TLS settings), when it is one that we know. */
export async function knownProgramAt(origin: string, agent?: Agent): Promise<KnownProgram | undefined> {
  const answers = await Promise.all(ROWS.map(({ path }) => askHttp({ url: `${origin}${path}`, agent })));
  for (const [index, { kind, name, isIt }] of ROWS.entries()) {
    const answer = answers[index];
    if (answer !== undefined && isAnswer(answer) && isIt(answer)) return { kind, name, answer };
  }
  return undefined;
}

/** What a Jaeger says that it knows; undefined when it is none. With none yet it leaves the field out. */
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
