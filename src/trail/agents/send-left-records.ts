import { readdir, rm, rmdir } from 'node:fs/promises';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { leftRecordsParent } from '../../agent/left-records.ts';
import { foldersIn } from '../../agent/orphan-runs.ts';
import { errnoOf, messageOf } from '../../errors.ts';
import { partsOf, requestBody } from '../../export/otlp-request.ts';
import { post } from '../../export/post.ts';
import type { RequestPart, SendResult, Signal } from '../../export/transport.ts';
import { parseSegmentName } from '../../journal/segment-name.ts';
import { SegmentReader } from '../../journal/segment-reader.ts';
import { isPathSafeId } from '../../model/ids.ts';
import { isNoFile } from '../../system/files/safe-open.ts';

/** Where the records that agents left are sent. */
export interface LeftRecordsTarget {
  /** Base URL of the receiver, or the address of each signal; undefined when none is known now. */
  locate(): Promise<Readonly<Record<Signal, string>> | undefined>;
  /** For records of the task's agent: what that may not say is refused, as if it came from the agent itself. */
  token(taskId: string): Promise<string | undefined>;
  onProblem(reason: string | undefined): void;
}

const ANSWER_TIMEOUT_MS = 15_000;
const RETRY_MS = 100;

/** The addresses of a receiver. */
export function signalUrls(base: string): Readonly<Record<Signal, string>> {
  const root = base.replace(/\/+$/, '');
  return { logs: `${root}/v1/logs`, traces: `${root}/v1/traces` };
}

/** Sends the records of all tasks that wait below the folder of runs. Never rejects. */
export async function sendAllLeftRecords(runs: string, target: LeftRecordsTarget): Promise<void> {
  const parent = leftRecordsParent(runs);
  try {
    for (const taskId of await foldersIn(parent))
      if (isPathSafeId(taskId)) await sendLeftRecords(join(parent, taskId), taskId, target);
  } catch (error) {
    target.onProblem(messageOf(error));
  }
}

/**
 * Sends the records that the commands of a task's agents left, and removes them. What is refused is removed as well; what
 * cannot be sent within `patienceMs` stays for the next sweep. Never rejects. A second process may send the same at the
 * same time: ids make a repeat harmless.
 */
export async function sendLeftRecords(
  folder: string,
  taskId: string,
  { patienceMs = 0, ...target }: LeftRecordsTarget & { readonly patienceMs?: number },
): Promise<void> {
  const until = performance.now() + patienceMs;
  try {
    const urls = await target.locate();
    if (urls === undefined) return;
    const token = await target.token(taskId);
    const sender = new LeftSender(urls, token, until);
    try {
      for (const name of (await readdir(folder)).sort()) {
        if (parseSegmentName(name) !== undefined && !(await sender.sendFile(join(folder, name)))) return;
      }
    } finally {
      sender.close();
      target.onProblem(sender.refusal && `records that the agent of ${taskId} left: ${sender.refusal}`);
    }
    // ENOTEMPTY: another run of the task has just left records, or other tasks wait.
    await rmdir(folder).catch(() => undefined);
    await rmdir(dirname(folder)).catch(() => undefined);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') target.onProblem(messageOf(error));
  }
}

class LeftSender {
  readonly #urls: Readonly<Record<Signal, string>>;
  readonly #token: string | undefined;
  readonly #until: number;
  readonly #agents = { http: new HttpAgent(), https: new HttpsAgent() };
  refusal: string | undefined;

  constructor(urls: Readonly<Record<Signal, string>>, token: string | undefined, until: number) {
    this.#urls = urls;
    this.#token = token;
    this.#until = until;
  }

  /** False when the receiver is away: the file stays. */
  async sendFile(path: string): Promise<boolean> {
    let reader: SegmentReader;
    try {
      reader = await SegmentReader.open(path, 0, () => {});
    } catch (error) {
      if (!isNoFile(error)) throw error;
      // A copy of what the agent has made: no segment that this version can read.
      this.refusal = messageOf(error);
      await rm(path, { force: true });
      return true;
    }
    try {
      for (;;) {
        const batch = await reader.read();
        if (batch.entries.length === 0) break;
        for (const part of partsOf(batch.entries)) if (!(await this.#sendPart(part))) return false;
        await reader.advance(batch.next);
      }
    } finally {
      await reader.close();
    }
    await rm(path, { force: true });
    return true;
  }

  close(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  async #sendPart(part: RequestPart): Promise<boolean> {
    const result = await this.#post(part.signal, requestBody(part));
    const { entries, signal } = part;
    switch (result.kind) {
      case 'accepted':
        if (result.rejected > 0)
          this.refusal = `${result.rejected} refused: ${result.reason ?? 'no reason given'}`;
        return true;
      case 'retry':
        this.refusal = `waiting: ${result.reason}`;
        return false;
      case 'unsupported':
      case 'refused':
      case 'too_large': {
        // One damaged or overlong record must not cost the others.
        if (entries.length > 1 && !isAboutSender(result)) {
          const half = Math.ceil(entries.length / 2);
          const isSent = await this.#sendPart({ signal, entries: entries.slice(0, half) });
          return isSent && (await this.#sendPart({ signal, entries: entries.slice(half) }));
        }
        this.refusal = `${entries.length} refused: ${result.kind === 'too_large' ? 'too large' : (result.reason ?? result.status)}`;
        return true;
      }
    }
  }

  async #post(signal: Signal, body: Uint8Array): Promise<SendResult> {
    const url = this.#urls[signal];
    const isTls = url.startsWith('https:');
    const options = {
      url,
      request: isTls ? httpsRequest : httpRequest,
      agent: isTls ? this.#agents.https : this.#agents.http,
      headers: {
        'content-type': 'application/json',
        ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
      },
      timeoutMs: ANSWER_TIMEOUT_MS,
    };
    for (;;) {
      const result = await context.with(suppressTracing(ROOT_CONTEXT), () => post(body, options));
      if (result.kind !== 'retry' || performance.now() > this.#until) return result;
      await delay(RETRY_MS);
    }
  }
}

/** 401, 403 and 404 are about every record. */
function isAboutSender(result: SendResult): boolean {
  return result.kind === 'unsupported' || (result.kind === 'refused' && [401, 403].includes(result.status));
}
