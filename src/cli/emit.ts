import { readFileSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { loadConfig } from '../config/config.ts';
import { applyEnvFile, envFileNotes, pickEnvironment } from '../config/environment.ts';
import { errnoOf, messageOf, TasktrailError } from '../errors.ts';
import { ATTEMPT_MAX } from '../model/attempt.ts';
import { WORKFLOW_EVENT_TYPES } from '../model/events.ts';
import { isJsonObject, type JsonObject } from '../model/json.ts';
import { firstOfText, parseWellFormed } from '../model/text.ts';
import { isWorkflowEventType, PAYLOAD_BYTES_MAX } from '../model/workflow-payloads.ts';
import { setFileMode } from '../system/files/modes.ts';
import { reportError } from './exit-code.ts';
import { useRedactRules } from './redact-rules.ts';
import { say } from './terminal/say.ts';
import { escapeJson } from './terminal/terminal-text.ts';
import { deliverSegments } from './workflow/deliver.ts';
import { checkEvent, type EventInput, offReason, recordEvent, traceOf } from './workflow/event.ts';

/** Limit for the text in bytes, before it is parsed: indentation may double the size of a payload. */
const INPUT_BYTES_MAX = 2 * PAYLOAD_BYTES_MAX;

const STDOUT = 1;

const HELP = `Usage: tasktrail emit <event_type> <workflow_id> [payload-json | - | @file] [options]

Records one workflow event and prints it. The event is on disk when the command ends, whether a service runs or not.

The payload is a JSON object, default {}; "-" reads it from standard input, "@file" from a file.
Event types: ${WORKFLOW_EVENT_TYPES.join(', ').replaceAll(/(.{70,100}?) /g, '$1\n  ')}

Options:
  --attempt <n>       number of the start of its workflow, phase or step, from 1; default: the store counts
                      (printed as null)
  --key <text>        identifies the event when it is emitted again; default: its payload
  --task <id>         the task of the workflow (TASK_LOGS_TASK_ID)
  --project <name>    default: the name of the git root, else of the folder
  --environment <e>   FRACTARY_ENV
  --dir <directory>   log directory (TASK_LOGS_DIR)
  -h, --help

Exit code: 0 recorded, or recording is switched off; 1 the write failed; 2 invalid arguments, nothing is recorded;
3 the receiver refused the event: it is not recorded.
`;

/** Runs the command and returns its exit code. Prints its errors itself, because nothing else of the CLI is loaded. */
export async function emit(args: readonly string[]): Promise<number> {
  try {
    applyEnvFile('checkout');
    return await run(args);
  } catch (error) {
    // The reader of stderr may be gone (EPIPE).
    process.stderr.on('error', () => {});
    return reportError(error);
  }
}

/** Writes to the file descriptor: loading Node's streams takes longer than recording the event. */
function print(text: string): void {
  const bytes = Buffer.from(text);
  let written = 0;
  try {
    while (written < bytes.length) written += writeSync(STDOUT, bytes, written);
  } catch (error) {
    // EPIPE: the reader is gone (`| head`). The event is recorded all the same.
    process.stdout.on('error', () => {});
    // The pipe is full and non-blocking.
    if (errnoOf(error) === 'EAGAIN') process.stdout.write(bytes.subarray(written));
  }
}

async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = readWords(args);
  if (values.help === true) {
    print(HELP);
    return 0;
  }
  const loaded = loadConfig({ flags: { TASK_LOGS_DIR: values.dir }, recordsOnly: true });
  useRedactRules(loaded);
  setFileMode(loaded.fileMode);
  for (const note of envFileNotes()) say(note);
  const config = Object.freeze({
    ...loaded,
    project: given('--project', values.project) ?? loaded.project,
    environment: given('--environment', values.environment) ?? loaded.environment,
  });
  const event = await readEvent(values, positionals);
  const off = offReason(config);
  if (off !== undefined) {
    checkEvent(event);
    say(off);
    return 0;
  }
  const trace = traceOf(config, event.workflowId, event.taskId);
  const { envelope, segment } = recordEvent(config, { ...event, trace });
  print(`${escapeJson(envelope)}\n`);
  return deliverSegments(config, [segment]);
}

type Values = ReturnType<typeof readWords>['values'];

function readWords(args: readonly string[]): {
  values: {
    readonly attempt?: string;
    readonly key?: string;
    readonly task?: string;
    readonly project?: string;
    readonly environment?: string;
    readonly dir?: string;
    readonly help?: boolean;
  };
  positionals: readonly string[];
} {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        attempt: { type: 'string' },
        key: { type: 'string' },
        task: { type: 'string' },
        project: { type: 'string' },
        environment: { type: 'string' },
        dir: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    // The message of parseArgs names the flag.
    throw invalid(`${messageOf(error)}\n(see tasktrail emit --help)`);
  }
}

async function readEvent(values: Values, positionals: readonly string[]): Promise<Omit<EventInput, 'trace'>> {
  const [type, workflowId, payload = '{}', extra] = positionals;
  if (type === undefined || workflowId === undefined) {
    const missing = type === undefined ? 'event_type' : 'workflow_id';
    throw invalid(`${missing} is missing: tasktrail emit <event_type> <workflow_id> [payload]`);
  }
  if (extra !== undefined) {
    throw invalid(
      `unexpected argument ${JSON.stringify(firstOfText(extra, 60))} after the payload (is the payload in quotes?)`,
    );
  }
  if (!isWorkflowEventType(type)) {
    throw invalid(
      `event_type ${JSON.stringify(firstOfText(type, 60))} is unknown: use ${WORKFLOW_EVENT_TYPES.join(', ')}`,
    );
  }
  return {
    type,
    workflowId,
    payload: parsePayload(await readPayload(payload)),
    attempt: readAttempt(values.attempt),
    key: given('--key', values.key),
    taskId:
      given('--task', values.task) ?? (pickEnvironment(['TASK_LOGS_TASK_ID']).TASK_LOGS_TASK_ID || undefined),
  };
}

async function readPayload(payload: string): Promise<string> {
  if (payload === '-') return readInput();
  if (!payload.startsWith('@')) return payload;
  const path = payload.slice(1);
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid(`payload: cannot read the file ${JSON.stringify(path)}: ${messageOf(error)}`);
  }
}

async function readInput(): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of process.stdin) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > INPUT_BYTES_MAX) throw invalid(`payload: must be at most ${PAYLOAD_BYTES_MAX} bytes of JSON`);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function parsePayload(text: string): JsonObject {
  let value: unknown;
  try {
    // Some editors write a byte order mark.
    value = parseWellFormed(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw invalid(`payload: is not JSON: ${messageOf(error)}`);
  }
  if (!isJsonObject(value)) throw invalid('payload: must be a JSON object');
  return value;
}

function readAttempt(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const attempt = /^\d{1,7}$/.test(value) ? Number(value) : 0;
  if (attempt < 1 || attempt > ATTEMPT_MAX) {
    throw invalid(`--attempt: use a whole number from 1 to ${ATTEMPT_MAX} (it is ${JSON.stringify(value)})`);
  }
  return attempt;
}

function given(flag: string, value: string | undefined): string | undefined {
  if (value !== undefined && value.trim() === '') throw invalid(`${flag}: must not be empty`);
  return value;
}

function invalid(message: string): TasktrailError {
  return new TasktrailError('ERR_INPUT_INVALID', message);
}
