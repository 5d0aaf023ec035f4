import { isWebPage } from '../export/answer.ts';
import type { Protocol } from '../export/endpoint-transport.ts';
import { firstOfText } from '../model/text.ts';
import type { SignalName } from './endpoint-groups.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import { type HttpAnswer, isAnswer, placeOfUrl } from './http-answer.ts';
import type { KnownProgram } from './known-program.ts';
import type { NetworkFailure } from './network-failure.ts';

/** The answers of an endpoint to an empty request for each signal. */
export interface EndpointAnswers {
  readonly where: string;
  /** Address for the first signal. */
  readonly url: string;
  readonly answers: ReadonlyMap<SignalName, HttpAnswer | NetworkFailure | undefined>;
  readonly program: KnownProgram | undefined;
  /** How the requests were encoded. */
  readonly protocol: Protocol;
  /** Whether the settings have headers for this endpoint. */
  readonly hasHeaders: boolean;
}

const OTLP_ADDRESS = 'use the address of an OTLP/HTTP receiver (a collector, Jaeger), usually port 4318';

/** Turns the answers into findings. Pure. */
export function judgeAnswers(options: EndpointAnswers): readonly Finding[] {
  const { where, answers, program } = options;
  const taken = signalsThat(answers, isTaken);
  const absent = signalsThat(answers, (answer) => !isTaken(answer) && isAbsent(answer));
  const refusals = refusalFindings(options);
  if (taken.length === 0) return refusals.length > 0 ? refusals : [nothingTaken(options)];
  const name = program === undefined ? '' : `, ${program.name}`;
  const takes = `takes ${taken.join(', ')}${name}`;
  if (absent.includes('traces')) {
    const what = `${takes}, but no traces: they are not sent there`;
    return [
      ...refusals,
      warning(where, what, 'use a collector, or set OTEL_EXPORTER_OTLP_TRACES_ENDPOINT as well'),
    ];
  }
  const note = absent.length === 0 ? '' : `, not ${absent.join(' and ')}`;
  const files = absent.includes('logs') ? ': logs stay in the files' : '';
  return [...refusals, ok(where, `${takes}${note}${files}`)];
}

function signalsThat(
  answers: EndpointAnswers['answers'],
  is: (answer: HttpAnswer) => boolean,
): readonly SignalName[] {
  return [...answers].flatMap(([signal, answer]) =>
    answer !== undefined && isAnswer(answer) && is(answer) ? [signal] : [],
  );
}

/** A success that is not a web page: web servers answer any path with 200. */
export function isTaken(answer: HttpAnswer): boolean {
  return answer.status >= 200 && answer.status <= 299 && !isPage(answer);
}

function isPage({ headers, text }: HttpAnswer): boolean {
  return isWebPage(headers['content-type'], text);
}

function isAbsent(answer: HttpAnswer): boolean {
  return [404, 405, 501].includes(answer.status) || isPage(answer);
}

/** Each reason once, with the signals that it applies to. */
function refusalFindings(options: EndpointAnswers): readonly Finding[] {
  const signals = new Map<string, SignalName[]>();
  const findings = new Map<string, Finding>();
  for (const [signal, answer] of options.answers) {
    const finding = refusalOf(answer, options);
    if (finding === undefined) continue;
    signals.set(finding.what, [...(signals.get(finding.what) ?? []), signal]);
    findings.set(finding.what, finding);
  }
  const isWhole = (what: string): boolean => signals.get(what)?.length === options.answers.size;
  return [...findings].map(([what, finding]) =>
    isWhole(what) ? finding : { ...finding, what: `${signals.get(what)?.join(', ')}: ${what}` },
  );
}

function refusalOf(
  answer: HttpAnswer | NetworkFailure | undefined,
  { where, hasHeaders, program, protocol }: EndpointAnswers,
): Finding | undefined {
  if (answer === undefined || !isAnswer(answer))
    return warning(where, 'answers some signals and not others in time', 'check whether it is overloaded');
  const { status, headers, text } = answer;
  if (isTaken(answer)) return undefined;
  if (status === 400 && /HTTPS (?:server|port)|plain HTTP request/i.test(text))
    return problem(where, 'it speaks TLS, and the address says http', 'begin the address with https://');
  if (status === 401 || status === 403) return credentials(where, status, { hasHeaders, program });
  if (status >= 300 && status <= 399) {
    // The redirect leads to the login page of a known program, which another finding names.
    if (program !== undefined) return undefined;
    const to = URL.canParse(headers.location ?? '') ? placeOfUrl(headers.location ?? '') : 'another path';
    return problem(
      where,
      `it redirects (${status}) to ${to}, which is not followed`,
      'set the address that it redirects to',
    );
  }
  if (isAbsent(answer)) return undefined;
  if ([429, 502, 503, 504].includes(status)) {
    const advice = 'records stay in the journal until it accepts them; if this persists, see its own log';
    return warning(where, `it answers, but accepts nothing now (${status})`, advice);
  }
  if (status === 415) {
    const other = protocol === 'http/json' ? 'http/protobuf' : 'http/json';
    const advice = `set OTEL_EXPORTER_OTLP_PROTOCOL=${other}, or for one signal OTEL_EXPORTER_OTLP_LOGS_PROTOCOL and the like`;
    return problem(where, `it does not accept ${protocol} (415)`, advice);
  }
  const message = firstOfText(text.replaceAll(/\s+/g, ' ').trim(), 80);
  const what = `it refuses an empty OTLP request with ${status}${message === '' ? '' : `: ${message}`}`;
  return problem(where, what, `see its own log; ${OTLP_ADDRESS}`);
}

function credentials(
  where: string,
  status: number,
  { hasHeaders, program }: Pick<EndpointAnswers, 'hasHeaders' | 'program'>,
): Finding {
  if (program?.kind === 'receiver') {
    const advice = 'set OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20<its TASK_LOGS_API_TOKEN>';
    return problem(where, `${program.name}, which requires its token (${status})`, advice);
  }
  const what = hasHeaders
    ? `it refuses the credentials in OTEL_EXPORTER_OTLP_HEADERS (${status})`
    : `it requires credentials (${status})`;
  const advice = 'set OTEL_EXPORTER_OTLP_HEADERS as its documentation says: name=value, percent-encoded';
  return problem(where, what, advice);
}

/** Every answer is 404, 405 or a web page: the wrong program, or the wrong path. */
function nothingTaken({ where, url, answers, program }: EndpointAnswers): Finding {
  const { pathname } = new URL(url);
  if (/\/v1\/(?:traces|logs|metrics)\/v1\//.test(pathname)) {
    const advice = 'set it without /v1/..., which is added for each signal';
    return problem(
      where,
      'nothing accepts OTLP there: the address already contains the path of a signal',
      advice,
    );
  }
  if (program?.kind === 'prometheus') {
    const advice =
      'it accepts only metrics, at /api/v1/otlp: set OTEL_EXPORTER_OTLP_METRICS_ENDPOINT to it, and use a collector or Jaeger for traces';
    return problem(where, `${program.name} answers, but accepts no OTLP there`, advice);
  }
  if (program?.kind === 'loki') {
    const advice = 'it accepts only logs, at /otlp: send to a collector, and from there to Loki';
    return problem(where, `${program.name} answers, but accepts no OTLP there`, advice);
  }
  if (program?.kind === 'collector' || program?.kind === 'jaeger') {
    const advice = 'set the address without a path: /v1/traces and the like are added';
    return problem(where, `${program.name} answers, but does not know this path`, advice);
  }
  if (program !== undefined)
    return problem(where, `${program.name} answers, but accepts no OTLP there`, OTLP_ADDRESS);
  const first = [...answers.values()][0];
  const status = first !== undefined && isAnswer(first) ? first.status : 0;
  const isWeb = first !== undefined && isAnswer(first) && isPage(first);
  return problem(
    where,
    `${isWeb ? 'a web page answers' : 'nothing accepts OTLP there'} (${status})`,
    OTLP_ADDRESS,
  );
}
