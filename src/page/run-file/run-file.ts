import { createHash } from 'node:crypto';
import { TasktrailError } from '../../errors.ts';
import { isJsonObject, type JsonObject, objectOf, parseObject } from '../../model/json.ts';
import type { Flow } from '../../model/task-reading.ts';
import { firstOfText } from '../../model/text.ts';
import type { Reader } from '../../serve/reader.ts';
import { html, Markup, type Piece } from './markup.ts';
import { POLICY, STYLE } from './style.ts';
import { timelineOf } from './timeline.ts';
import { bodyMarkup, plainText, timeText, transcriptOf } from './transcript.ts';

/** What a document of a run is made from. */
export type RunReader = Pick<Reader, 'hasTask' | 'readDocument' | 'openFlow' | 'openTrace' | 'readManifest'>;

const STYLE_MARKUP = new Markup(STYLE);

const TITLE_CHARS = 200;

/** Stages of one delivery are six; a task of many attempts has more lines. */
const STAGES_MAX = 500;

/**
 * A run as one HTML document that needs nothing else: no script, no other file, no network. It is made while it is read, one
 * line at a time. Everything recorded is text in it. Undefined when there is no such task.
 */
export async function runFile(reader: RunReader, taskId: string): Promise<AsyncIterable<string> | undefined> {
  if (!(await reader.hasTask(taskId))) return undefined;
  const metadata = await readable(reader.readDocument(taskId, 'metadata'));
  if (metadata === undefined) return undefined;
  const parts: RunParts = {
    taskId,
    metadata,
    input: (await readable(reader.readDocument(taskId, 'input'))) ?? {},
    result: await readable(reader.readDocument(taskId, 'final-result')),
    manifest: await reader.readManifest?.(taskId),
  };
  return textOf(reader, parts);
}

interface RunParts {
  readonly taskId: string;
  readonly metadata: JsonObject;
  readonly input: JsonObject;
  readonly result: JsonObject | undefined;
  readonly manifest: string | undefined;
}

async function* textOf(reader: RunReader, parts: RunParts): AsyncGenerator<string> {
  for await (const markup of piecesOf(reader, parts)) yield markup.text;
}

async function* piecesOf(reader: RunReader, parts: RunParts): AsyncGenerator<Markup> {
  const { taskId } = parts;
  yield headOf(parts);
  yield* withFlow(await reader.openFlow(taskId, 'webhook-flow'), stagesOf);
  yield html`<h2>Timeline</h2>\n`;
  yield* withFlow(await reader.openTrace(taskId), async function* (flow) {
    yield await timelineOf(flow);
  });
  yield html`<h2>Transcript</h2>\n`;
  const output = await reader.openFlow(taskId, 'agent-output');
  if (output === undefined) yield html`<p class="soft">The agent has printed nothing.</p>`;
  yield* withFlow(output, transcriptOf);
  yield resultOf(parts.result);
  yield manifestOf(parts);
  yield html`</main></body></html>\n`;
}

async function* withFlow(
  flow: Flow | undefined,
  show: (flow: Flow) => AsyncIterable<Markup>,
): AsyncGenerator<Markup> {
  if (flow === undefined) return;
  try {
    yield* show(flow);
  } finally {
    await flow.close();
  }
}

function headOf({ taskId, metadata, input, result }: RunParts): Markup {
  const message = plainText(input.message ?? metadata.message);
  const title = firstOfText(message.trimStart().split('\n', 1)[0] || taskId, TITLE_CHARS);
  const metrics = objectOf(result?.metrics);
  const rows: readonly (readonly [string, Piece])[] = [
    ['Status', statusOf(metadata, result)],
    ['Task', html`<code>${taskId}</code>`],
    ['Agent', wordOf(metadata.assigned_agent)],
    ['Model', wordOf(metadata.model)],
    ['Repository', wordOf(input.repo ?? metadata.repo)],
    ['Created', wordOf(metadata.created_at)],
    ['Started', wordOf(metadata.started_at)],
    ['Ended', wordOf(metadata.completed_at)],
    ['Duration', numberOf(metrics.duration_seconds, ' s')],
    ['Cost', numberOf(metrics.cost_usd, ' USD')],
    ['Tokens', tokensOf(metrics)],
    ['Attempt', numberOf(metadata.attempt, '')],
    ['Trace', wordOf(metadata.trace_id)],
  ];
  // The style is ours and has its hash in the policy; all else is escaped.
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<title>${title}</title><style>${STYLE_MARKUP}</style></head>
<body><main><h1>${title}</h1>
<dl>${rows.map(([name, value]) => (value === null ? null : html`<dt>${name}</dt><dd>${value}</dd>`))}</dl>
${message.trim() === '' ? null : html`<h2>Message</h2>${bodyMarkup(message)}`}
`;
}

function statusOf(metadata: JsonObject, result: JsonObject | undefined): Markup {
  const status = plainText(metadata.status) || 'unknown';
  const tone =
    status === 'completed' ? 'good' : status === 'failed' || status === 'abandoned' ? 'bad' : 'word';
  const error = typeof result?.error === 'string' ? html`: ${result.error}` : null;
  return html`<span class="${tone}">${status}</span>${error}`;
}

async function* stagesOf(flow: Flow): AsyncGenerator<Markup> {
  yield html`<h2>Webhook</h2><div class="wide" tabindex="0"><table><thead><tr><th>Time</th><th>Stage</th><th>What it decided</th></tr></thead><tbody>\n`;
  let rows = 0;
  for await (const text of flow.lines()) {
    rows += 1;
    if (rows > STAGES_MAX) continue;
    const { timestamp, stage, event_id: _, ...rest } = parseObject(text) ?? {};
    const facts = Object.entries(rest).map(([name, value]) => `${name}: ${plainText(value)}`);
    yield html`<tr><td class="short"><time>${timeText(timestamp)}</time></td><td class="short">${plainText(stage).replaceAll('_', ' ')}</td><td>${facts.join(', ')}</td></tr>\n`;
  }
  yield html`</tbody></table></div>${rows > STAGES_MAX ? html`<p class="soft">${rows - STAGES_MAX} more stages are in 02-webhook-flow.jsonl of the task.</p>` : null}\n`;
}

function resultOf(result: JsonObject | undefined): Markup {
  if (result === undefined) return html`<h2>Result</h2><p class="soft">The run has no result yet.</p>`;
  const text = plainText(result.result);
  return html`<h2>Result</h2>${bodyMarkup(text)}<details><summary>04-final-result.json</summary><pre>${JSON.stringify(result, null, 2)}</pre></details>`;
}

/** Who has the directory of the task can compare: `sha256sum manifest.json`, and each file with its row. */
function manifestOf({ manifest, metadata }: RunParts): Markup {
  // Of a store without files.
  if (manifest === undefined && metadata.settled === true)
    return html`<h2>Check</h2><p class="soft">There is no manifest: this run was read from VictoriaLogs.</p>`;
  if (manifest === undefined)
    return html`<h2>Check</h2><p class="soft">The task has not settled: its files have no manifest yet.</p>`;
  const files = Object.entries(objectOf(parseObject(manifest)?.files)).map(([name, value]) => {
    const { lines, bytes, sha256 } = isJsonObject(value) ? value : {};
    return html`<tr><td>${name}</td><td class="number">${plainText(lines)}</td><td class="number">${plainText(bytes)}</td><td><code>${plainText(sha256)}</code></td></tr>\n`;
  });
  const hash = createHash('sha256').update(manifest).digest('hex');
  return html`<h2>Check</h2><p>Times are UTC. SHA-256 of <code>manifest.json</code>: <code>${hash}</code></p>
<div class="wide" tabindex="0"><table><thead><tr><th>File</th><th class="number">Lines</th><th class="number">Bytes</th><th>SHA-256</th></tr></thead><tbody>${files}</tbody></table></div>\n`;
}

function wordOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function numberOf(value: unknown, unit: string): string | null {
  return typeof value === 'number' ? `${value}${unit}` : null;
}

function tokensOf({ input_tokens: input, output_tokens: output }: JsonObject): string | null {
  if (typeof input !== 'number' && typeof output !== 'number') return null;
  return `${plainText(input) || 'unknown'} in, ${plainText(output) || 'unknown'} out`;
}

/** One damaged document must not hide the rest of the run. */
async function readable(reading: Promise<JsonObject | undefined>): Promise<JsonObject | undefined> {
  try {
    return await reading;
  } catch (error) {
    const isDamaged =
      error instanceof TasktrailError && error.code === 'ERR_STORE_UNAVAILABLE' && !error.retryable;
    if (!isDamaged) throw error;
    return undefined;
  }
}
