import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { FORGED } from '../check/documents.ts';
import { type Fact, readFacts } from '../ledger.ts';
import { pickAt } from '../random.ts';
import { type Answer, Client, post } from './client.ts';

const RETRY_MS = 200;

interface LogLine {
  readonly timeUnixNano: string;
  readonly event: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly body: string | Readonly<Record<string, string | boolean>>;
}

/** An OpenTelemetry SDK that sends records of a task of its own, as JSON or protobuf, some compressed, until they are accepted. */
export class OtlpSender extends Client {
  protected async once(): Promise<void> {
    const task = `storm-${this.name}-${this.token().replace(/\D/g, '')}-${randomBytes(3).toString('hex')}`;
    for (let request = 0; request < 4 && !this.isEnding; request += 1) {
      const tokens = Array.from({ length: 1 + Math.floor(Math.random() * 6) }, () => this.token());
      const lines = tokens.map((token, n) => ({
        timeUnixNano: nanos(n),
        event: 'tasktrail.agent.output',
        attributes: { 'tasktrail.task.id': task },
        body: token,
      }));
      if (await this.#deliver('/v1/logs', bodyOf(lines)))
        this.acknowledge(...tokens.map((token) => ({ kind: 'output' as const, task, token })));
      const span = this.token();
      const spans = Buffer.from(JSON.stringify(spanRequest(task, span)));
      if (await this.#deliver('/v1/traces', { body: spans, type: 'application/json' }))
        this.acknowledge({ kind: 'span', task, token: span });
    }
    const token = this.token();
    const result = { success: true, status: 'completed', result: token };
    const attributes = { 'tasktrail.task.id': task };
    const end = { timeUnixNano: nanos(0), event: 'tasktrail.task.result', attributes, body: result };
    if (await this.#deliver('/v1/logs', bodyOf([end], 'json')))
      this.acknowledge({ kind: 'result', task, token, status: 'completed' });
    await delay(100);
  }

  /** The same bytes until they are accepted. */
  async #deliver(path: string, { body, type }: Body): Promise<boolean> {
    const isCompressed = Math.random() < 0.4;
    const bytes = new Uint8Array(isCompressed ? gzipSync(body) : body);
    const headers = { 'content-type': type, ...(isCompressed && { 'content-encoding': 'gzip' }) };
    for (let tries = 0; tries < 400; tries += 1) {
      const answer = await post(`http://127.0.0.1:${this.world.holderProxyPort}${path}`, bytes, headers);
      if (isAccepted(answer)) return true;
      await delay(RETRY_MS);
      if (this.isOver()) return false;
    }
    return false;
  }
}

/**
 * Sends records about the tasks and workflows of others, as any program on this machine can. About those that are stored: an
 * id that the store does not know belongs to its first sender.
 */
export class Forger extends Client {
  async #isStored(fact: Fact): Promise<boolean> {
    const { logDir, victoria } = this.world;
    if (victoria !== undefined) return this.#isShown(fact);
    if ('task' in fact) return existsSync(join(logDir, fact.task, 'metadata.json'));
    if (!('workflow' in fact)) return false;
    const month = new Date().toISOString().slice(0, 7).replace('-', '/');
    return existsSync(join(logDir, '_workflow', month, `${fact.workflow}.jsonl`));
  }

  async #isShown(fact: Fact): Promise<boolean> {
    const path =
      'task' in fact ? `tasks/${fact.task}` : 'workflow' in fact ? `workflows/${fact.workflow}` : undefined;
    if (path === undefined) return false;
    for (const { web } of this.world.ports) {
      const signal = AbortSignal.timeout(5_000);
      const answer = await fetch(`http://127.0.0.1:${web}/api/${path}`, { signal }).catch(() => undefined);
      await answer?.arrayBuffer().catch(() => {});
      if (answer?.ok) return true;
    }
    return false;
  }

  protected async once(): Promise<void> {
    await delay(700);
    const facts = readFacts(this.world.ledgers).filter(({ by }) => !/^(?:otlp|remote)/.test(by));
    const fact = pickAt(facts, Math.random());
    if (fact === undefined || !(await this.#isStored(fact))) return;
    const text = `${FORGED}${this.token()}`;
    const about: LogLine[] = [];
    if ('task' in fact) {
      const attributes = { 'tasktrail.task.id': fact.task };
      about.push({ timeUnixNano: nanos(0), event: 'tasktrail.agent.output', attributes, body: text });
      for (const event of ['tasktrail.task.result', 'tasktrail.task.metadata', 'tasktrail.task.input']) {
        const body = { status: 'cancelled', success: false, error: text, message: text, model: text };
        about.push({ timeUnixNano: nanos(1), event, attributes, body });
      }
    }
    if ('workflow' in fact) {
      const attributes = { 'tasktrail.workflow.id': fact.workflow };
      const body = { status: 'failure', note: text };
      about.push({ timeUnixNano: nanos(0), event: 'tasktrail.workflow_complete', attributes, body });
    }
    const { body, type } = bodyOf(about, 'json');
    for (const { otlp } of this.world.ports)
      await post(`http://127.0.0.1:${otlp}/v1/logs`, new Uint8Array(body), { 'content-type': type });
  }
}

interface Body {
  readonly body: Buffer;
  readonly type: string;
}

function isAccepted(answer: Answer): boolean {
  if (typeof answer === 'string' || answer.status !== 200) return false;
  return !/"rejected\w+":"?[1-9]/.test(answer.text);
}

function nanos(offset: number): string {
  return `${BigInt(Date.now()) * 1_000_000n + BigInt(offset)}`;
}

function bodyOf(lines: readonly LogLine[], form = Math.random() < 0.5 ? 'json' : 'protobuf'): Body {
  if (form === 'json')
    return { body: Buffer.from(JSON.stringify(logRequest(lines))), type: 'application/json' };
  return { body: protobufRequest(lines), type: 'application/x-protobuf' };
}

function logRequest(lines: readonly LogLine[]): object {
  const logRecords = lines.map(({ timeUnixNano, event, attributes, body }) => ({
    timeUnixNano,
    eventName: event,
    attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } })),
    body: typeof body === 'string' ? { stringValue: body } : { kvlistValue: { values: valuesOf(body) } },
  }));
  const attributes = [{ key: 'service.name', value: { stringValue: 'storm' } }];
  return { resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] };
}

function valuesOf(body: Readonly<Record<string, string | boolean>>): object[] {
  return Object.entries(body).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? { stringValue: value } : { boolValue: value },
  }));
}

function spanRequest(task: string, name: string): object {
  const span = {
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    name,
    kind: 1,
    startTimeUnixNano: nanos(0),
    endTimeUnixNano: nanos(1_000_000),
    attributes: [{ key: 'tasktrail.task.id', value: { stringValue: task } }],
  };
  const attributes = [{ key: 'service.name', value: { stringValue: 'storm' } }];
  return { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans: [span] }] }] };
}

/** `ExportLogsServiceRequest` by hand: the numbers are those of the fields in opentelemetry-proto. */
function protobufRequest(lines: readonly LogLine[]): Buffer {
  const records = lines.map(({ timeUnixNano, event, attributes, body }) => {
    const time = Buffer.alloc(9);
    time.writeUInt8((1 << 3) | 1);
    time.writeBigUInt64LE(BigInt(timeUnixNano), 1);
    const pairs = Object.entries(attributes).map(([key, value]) => field(6, keyValue(key, value)));
    return field(2, time, field(5, field(1, String(body))), ...pairs, field(12, event));
  });
  const resource = field(1, field(1, keyValue('service.name', 'storm')));
  return field(1, resource, field(2, ...records));
}

function keyValue(key: string, value: string): Buffer {
  return Buffer.concat([field(1, key), field(2, field(1, value))]);
}

/** A field of the wire type 2: its number, its length, its bytes. */
function field(number: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const bytes = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  const length: number[] = [];
  for (let rest = bytes.length; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
}
