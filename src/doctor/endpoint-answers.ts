import type { SignalName } from './endpoint-groups.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import { type HttpAnswer, isAnswer, placeOfUrl } from './http-answer.ts';
import type { KnownProgram } from './known-program.ts';
import type { NetworkFailure } from './network-failure.ts';

/** What an endpoint answers to an empty request of each signal. */
export interface EndpointAnswers {
  readonly where: string;
  /** Where the first signal goes. */
  readonly url: string;
  readonly answers: ReadonlyMap<SignalName, HttpAnswer | NetworkFailure | undefined>;
  readonly program: KnownProgram | undefined;
  /** Whether the settings have headers for it. */
  readonly hasHeaders: boolean;
}

const OTLP_ADDRESS = 'use the address of an OTLP/HTTP receiver (a collector, Jaeger), usually port 4318';

/** Pure: what the answers mean, and what to do. */
export function judgeAnswers(options: EndpointAnswers): readonly Finding[] {
  const { where, answers, program } = options;
  const taken = signalsThat(answers, isTaken);
  const absent = signalsThat(answers, (answer) => !isTaken(answer) && isAbsent(answer));
  const refusals = refusalFindings(options);
  if (taken.length === 0) return refusals.length > 0 ? refusals : [nothingTaken(options)];
  const name = program === undefined ? '' : `, ${program.name}`;
  const takes = `takes ${taken.join(', ')}${name}`;
  if (absent.includes('traces')) {
    const what = `${takes}, and no traces: they are not sent there`;
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

/** Success, and not a page: pages answer 200 to anything. */
export function isTaken(answer: HttpAnswer): boolean {
  return answer.status >= 200 && answer.status <= 299 && !isPage(answer);
}

function isPage({ headers, text }: HttpAnswer): boolean {
  return /html/i.test(headers['content-type'] ?? '') || /^\s*<(?:!doctype|html)/i.test(text);
}

function isAbsent(answer: HttpAnswer): boolean {
  return answer.status === 404 || answer.status === 405 || isPage(answer);
}

/** Each reason once, with the signals that it is given for. */
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
  { where, hasHeaders, program }: EndpointAnswers,
): Finding | undefined {
  if (answer === undefined || !isAnswer(answer))
    return warning(where, 'no answer in time, after one that came', 'look whether it is overloaded');
  const { status, headers, text } = answer;
  if (isTaken(answer)) return undefined;
  if (status === 400 && /HTTPS (?:server|port)|plain HTTP request/i.test(text))
    return problem(where, 'it speaks TLS, and the address says http', 'begin the address with https://');
  if (status === 401 || status === 403) return credentials(where, status, { hasHeaders, program });
  if (status >= 300 && status <= 399) {
    // A page to log in at says what it is itself.
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
    const advice = 'what is recorded waits, and is sent when it is back; see its own log if it stays';
    return warning(where, `it is there and takes nothing now (${status})`, advice);
  }
  if (status === 415) return problem(where, 'it takes no JSON (415), which is what is sent', OTLP_ADDRESS);
  const said = text.replaceAll(/\s+/g, ' ').trim().slice(0, 80);
  const what = `it refuses an empty OTLP request with ${status}${said === '' ? '' : `: ${said}`}`;
  return problem(where, what, `see its own log; ${OTLP_ADDRESS}`);
}

function credentials(
  where: string,
  status: number,
  { hasHeaders, program }: Pick<EndpointAnswers, 'hasHeaders' | 'program'>,
): Finding {
  if (program?.kind === 'receiver') {
    const advice = 'set OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20<its TASK_LOGS_API_TOKEN>';
    return problem(where, `${program.name}, which wants its token (${status})`, advice);
  }
  const what = hasHeaders
    ? `it refuses the credentials in OTEL_EXPORTER_OTLP_HEADERS (${status})`
    : `it wants credentials (${status})`;
  const advice = 'set OTEL_EXPORTER_OTLP_HEADERS as its documentation says: name=value, percent-encoded';
  return problem(where, what, advice);
}

/** 404, 405 and pages for everything: another program, or another path. */
function nothingTaken({ where, url, answers, program }: EndpointAnswers): Finding {
  const { pathname } = new URL(url);
  if (/\/v1\/(?:traces|logs|metrics)\/v1\//.test(pathname)) {
    const advice = 'set it without /v1/..., which is added for each signal';
    return problem(where, 'nothing takes OTLP there: the path of a signal is in it twice', advice);
  }
  if (program?.kind === 'prometheus') {
    const advice =
      'it takes metrics alone, at /api/v1/otlp: set OTEL_EXPORTER_OTLP_METRICS_ENDPOINT for it; for traces a collector or Jaeger';
    return problem(where, `${program.name} answers, which takes no OTLP there`, advice);
  }
  if (program?.kind === 'loki') {
    const advice = 'it takes logs alone, at /otlp: send to a collector, and from there to it';
    return problem(where, `${program.name} answers, which takes no OTLP there`, advice);
  }
  if (program?.kind === 'collector' || program?.kind === 'jaeger') {
    const advice = 'set the address without a path: /v1/traces and its like are added';
    return problem(where, `${program.name} is there, and does not know this path`, advice);
  }
  if (program !== undefined)
    return problem(where, `${program.name} answers, which takes no OTLP there`, OTLP_ADDRESS);
  const first = [...answers.values()][0];
  const status = first !== undefined && isAnswer(first) ? first.status : 0;
  const isWeb = first !== undefined && isAnswer(first) && isPage(first);
  return problem(
    where,
    `${isWeb ? 'a web page answers' : 'nothing takes OTLP there'} (${status})`,
    OTLP_ADDRESS,
  );
}
