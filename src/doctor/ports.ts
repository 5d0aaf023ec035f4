import { endpointsOf } from '../journal/destination.ts';
import { isLoopback } from '../model/loopback.ts';
import { authorityOf, type HostPort } from '../system/http/node-server.ts';
import { type Finding, ok, problem, type Subject, warning } from './finding.ts';
import { jsonOf } from './http-answer.ts';
import type { KnownProgram } from './known-program.ts';
import { findPortUser, type PortUser } from './port-user.ts';

/** Whether the ports of the service are free, in use by tasktrail, or in use by another program. */
export async function checkPorts(subject: Subject): Promise<readonly Finding[]> {
  const { host, port, otlpHost, otlpPort, enabled, store } = subject.config;
  const isReceiving = enabled && store;
  const [restUser, otlpUser] = await Promise.all([
    port === 0 ? undefined : findPortUser({ host, port }),
    otlpPort === 0 || !isReceiving ? undefined : findPortUser({ host: otlpHost, port: otlpPort }),
  ]);
  const findings: Finding[] = [];
  if (restUser === undefined) findings.push(ok('PORT', '0: a free port is selected at the start'));
  else findings.push(judgeRest(restUser, { host, port }), ...judgeRefusals(restUser, { host, port }));
  if (otlpUser !== undefined) findings.push(judgeOtlp(otlpUser, subject));
  else if (isReceiving) findings.push(ok('TASK_LOGS_OTLP_PORT', '0: a free port is selected at the start'));
  return findings;
}

function judgeRest(user: PortUser, at: HostPort): Finding {
  const where = `PORT ${authorityOf(at)}`;
  if (user.kind === 'free') return ok(where, 'free');
  if (user.kind === 'refused') return refusal(where, user, 'PORT');
  if (user.kind === 'known' && user.program.kind === 'service') return judgeService(where, user.program);
  const advice = 'stop it, or set another PORT (0 selects a free port)';
  return problem(where, `taken by ${nameOf(user)}: the service cannot start`, advice);
}

function judgeService(where: string, { answer }: KnownProgram): Finding {
  const { version, reasons } = jsonOf(answer) ?? {};
  const what = `our own service${typeof version === 'string' ? ` ${version}` : ''} runs there`;
  if (answer.status === 200) return ok(where, `${what}, ready`);
  const parts = typeof reasons === 'object' && reasons !== null ? Object.entries(reasons) : [];
  const why = parts.map(([part, reason]) => `${part}: ${String(reason)}`).join('; ');
  return problem(where, `${what}, and is not ready: ${why}`, 'fix the cause; /readyz answers 200 afterwards');
}

/** Notices of `/readyz` about records that are lost, because their destination refused them. */
const OF_REFUSALS = /^(?:refused records|records of agents|.* (?:rejected|refused))$/;

function judgeRefusals(user: PortUser, at: HostPort): readonly Finding[] {
  if (user.kind !== 'known' || user.program.kind !== 'service') return [];
  const { notices } = jsonOf(user.program.answer) ?? {};
  const entries = typeof notices === 'object' && notices !== null ? Object.entries(notices) : [];
  return entries
    .filter(([part]) => OF_REFUSALS.test(part))
    .map(([part, text]) => {
      const advice = 'correct the sender; who may send what: docs/security.md, "Senders of records"';
      return warning(`/readyz of ${authorityOf(at)}`, `${part}: ${String(text)}`, advice);
    });
}

function judgeOtlp(user: PortUser, { config }: Subject): Finding {
  const { otlpHost: host, otlpPort: port, otlpPortIsExplicit } = config;
  const where = `TASK_LOGS_OTLP_PORT ${authorityOf({ host, port })}`;
  if (user.kind === 'free') return ok(where, 'free');
  if (user.kind === 'refused') return refusal(where, user, 'TASK_LOGS_OTLP_PORT');
  if (user.kind === 'known' && user.program.kind === 'receiver')
    return ok(where, 'our own receiver is there');
  const isOtlp = user.kind === 'known' && ['collector', 'jaeger'].includes(user.program.kind);
  const send =
    isOtlp && endpointsOf(config).length === 0 && isLoopback(host)
      ? `; to send there as well, set OTEL_EXPORTER_OTLP_ENDPOINT=http://${authorityOf({ host, port })}`
      : '';
  const name = nameOf(user);
  if (otlpPortIsExplicit) {
    const advice = `stop it, or set another TASK_LOGS_OTLP_PORT (0 selects a free port)${send}`;
    return problem(where, `taken by ${name}: the service cannot start`, advice);
  }
  // The endpoint that we send to is on this machine: it is expected to use its port.
  if (send === '' && isOtlp) return ok(where, `${name} is there; the service takes a free port`);
  const advice = `if other programs send records here, set TASK_LOGS_OTLP_PORT to a free port${send}`;
  return warning(where, `taken by ${name}: the service takes a free port`, advice);
}

function refusal(where: string, { errno, reason }: PortUser & { kind: 'refused' }, setting: string): Finding {
  if (errno === 'EACCES')
    return problem(where, 'this user may not listen on it', `set ${setting} to a port above 1023`);
  if (errno === 'EADDRNOTAVAIL' || errno === 'ENOTFOUND' || errno === 'EAI_AGAIN')
    return problem(
      where,
      'the host is not an address of this machine',
      'correct HOST or TASK_LOGS_OTLP_HOST',
    );
  return problem(where, `cannot be listened on: ${reason}`, `set another ${setting}`);
}

function nameOf(user: PortUser): string {
  if (user.kind === 'known') return user.program.name;
  return user.kind === 'stranger' ? user.name : 'an unknown program';
}
