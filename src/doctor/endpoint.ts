import { errnoOf } from '../errors.ts';
import { dressRequest, type Protocol } from '../export/endpoint-transport.ts';
import { proveHolder } from '../store/proven-holder.ts';
import { originOf, reachableHost } from '../system/http/node-server.ts';
import { noteClock } from './clocks.ts';
import { isTaken, judgeAnswers } from './endpoint-answers.ts';
import {
  certificateFindings,
  type EndpointGroup,
  endpointGroups,
  unsentFindings,
} from './endpoint-groups.ts';
import { type Finding, problem, type Subject, warning } from './finding.ts';
import { askHttp, type HttpAnswer, hostOf, isAnswer } from './http-answer.ts';
import { type KnownProgram, knownProgramAt } from './known-program.ts';
import { explainFailure, isProtocolMismatch, type NetworkFailure } from './network-failure.ts';
import { detectProtocol } from './spoken-protocol.ts';

/** Valid requests without records: a receiver has nothing to store. In protobuf an empty message has no bytes. */
const EMPTY: Readonly<Record<Protocol, Buffer>> = {
  'http/json': Buffer.from('{}'),
  'http/protobuf': Buffer.from([0x0a, 0x00]),
};

const HTTP_PORT = 'use its OTLP/HTTP port, usually 4318, and http/json or http/protobuf';

/** Headers that the exporter sends without any setting. */
const STANDARD: ReadonlySet<string> = new Set(['content-type', 'user-agent']);

/** Sends empty requests to the OTLP endpoint, with the same settings as the sender: TLS, headers, compression. */
export async function checkEndpoint(subject: Subject): Promise<readonly Finding[]> {
  const groups = endpointGroups(subject);
  const found = await Promise.all(groups.map((group) => checkGroup(subject, group)));
  return [...certificateFindings(subject), ...unsentFindings(subject), ...found.flat()];
}

async function checkGroup(subject: Subject, group: EndpointGroup): Promise<readonly Finding[]> {
  const { lead, others, origin, where } = group;
  const agent = await lead.settings.agentFactory(new URL(lead.settings.url).protocol);
  const ask = async ({ settings }: typeof lead): Promise<HttpAnswer | NetworkFailure> =>
    askHttp({ url: settings.url, agent, ...(await dressRequest(settings, EMPTY[settings.protocol])) });
  const first = await ask(lead);
  if (!isAnswer(first)) {
    const loop = errnoOf(first.error) === 'ECONNREFUSED' ? ownPortFinding(subject, group) : [];
    return [await explainUnanswered(group, first), ...loop];
  }
  noteClock(subject, origin, first);
  const otherAnswers = await Promise.all(others.map(ask));
  const answers = new Map(
    [lead, ...others].map(({ signal }, at) => [signal, at === 0 ? first : otherAnswers[at - 1]]),
  );
  const isPlain = [first, ...otherAnswers].every((answer) => isAnswer(answer) && isTaken(answer));
  const program = isPlain ? undefined : await knownProgramAt(origin, agent);
  agent.destroy();
  const hasHeaders = Object.keys(await lead.settings.headers()).some(
    (name) => !STANDARD.has(name.toLowerCase()),
  );
  const findings = judgeAnswers({
    where,
    url: lead.settings.url,
    answers,
    program,
    protocol: lead.settings.protocol,
    hasHeaders,
  });
  return [...findings, ...(await loopFinding(subject, group, program))];
}

async function explainUnanswered({ where, lead }: EndpointGroup, failure: NetworkFailure): Promise<Finding> {
  const { url } = lead.settings;
  const isTls = url.startsWith('https:');
  const spoken = isProtocolMismatch(failure) ? await detectProtocol(url) : undefined;
  if (spoken === 'h2' || spoken === 'h2c')
    return problem(where, 'it speaks HTTP/2 only, which is gRPC: records cannot be sent there', HTTP_PORT);
  if (spoken === 'https' && !isTls)
    return problem(where, 'it speaks TLS, and the address says http', 'begin the address with https://');
  if (spoken === 'http' && isTls)
    return problem(where, 'it speaks no TLS, and the address says https', 'begin the address with http://');
  const certificateSetting = 'OTEL_EXPORTER_OTLP_CERTIFICATE';
  const { what, advice } = explainFailure(failure, { host: hostOf(url), certificateSetting });
  return problem(where, what, advice);
}

/** Whether the endpoint is the receiver of this log directory, so that each record would be sent to it twice. */
async function loopFinding(
  { config }: Subject,
  { where, origin }: EndpointGroup,
  program: KnownProgram | undefined,
): Promise<readonly Finding[]> {
  if (program?.kind !== 'receiver' || !config.enabled || !config.store) return [];
  const proof = await proveHolder(config.logDir, config.key);
  const holder = proof.state === 'proven' ? proof.holder.otlp_url : undefined;
  if (typeof holder !== 'string' || canonical(holder) !== canonical(origin)) return [];
  const what = 'it is our own receiver: each record is sent to it twice';
  return [warning(where, what, 'unset it: the files are written without it')];
}

/** Nothing listens there yet, and the service would take that port for its own receiver. */
function ownPortFinding({ config }: Subject, { where, origin }: EndpointGroup): readonly Finding[] {
  const { enabled, store, otlpHost, otlpPort } = config;
  const own = originOf({ host: reachableHost(otlpHost), port: otlpPort });
  if (!enabled || !store || canonical(own) !== canonical(origin)) return [];
  const what = 'the service would use this port for its own receiver';
  return [warning(where, what, 'set TASK_LOGS_OTLP_PORT to another port, such as 4320')];
}

function canonical(url: string): string {
  const { protocol, host } = new URL(url);
  return `${protocol}//${host.replace(/^(?:localhost|\[::1\])(?=:|$)/, '127.0.0.1')}`;
}
