import { noteClock } from './clocks.ts';
import { type Finding, ok, type Subject, warning } from './finding.ts';
import { askHttp, isAnswer } from './http-answer.ts';
import { jaegerServices } from './known-program.ts';
import { explainFailure } from './network-failure.ts';

/** Whether the servers that links to traces point to answer. */
export async function checkTraceUrls(subject: Subject): Promise<readonly Finding[]> {
  const origins = new Set(subject.config.traceUrls.map((template) => new URL(template).origin));
  return Promise.all([...origins].map((origin) => checkOrigin(subject, origin)));
}

async function checkOrigin(subject: Subject, origin: string): Promise<Finding> {
  const [page, services] = await Promise.all([
    askHttp({ url: `${origin}/` }),
    askHttp({ url: `${origin}/api/v3/services` }),
  ]);
  const where = `TASK_LOGS_TRACE_URL ${origin}`;
  if (!isAnswer(page)) {
    const { hostname: host } = new URL(origin);
    const { what, advice } = explainFailure(page, { host, certificateSetting: 'NODE_EXTRA_CA_CERTS' });
    return warning(where, `${what}: links to traces do not work from here`, advice);
  }
  noteClock(subject, origin, page);
  const names = isAnswer(services) ? jaegerServices(services) : undefined;
  if (names !== undefined) return ok(where, `a Jaeger, which knows ${names.length} service(s)`);
  return ok(where, `answers (${page.status})`);
}
