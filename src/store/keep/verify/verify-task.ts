import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { documentProblem } from '../../../model/document-schemas.ts';
import { isNewer, isTerminal } from '../../../model/documents.ts';
import { isJsonObject, type JsonObject, parseObject } from '../../../model/json.ts';
import type { FactLine } from '../../../project/change.ts';
import { TaskFold } from '../../../project/fold.ts';
import { readText } from '../../../system/durable.ts';
import { lstatIfPresent } from '../../../system/files/optional-files.ts';
import { kindOf } from '../../../system/files/own-file.ts';
import { TASK_FILES, type TaskFile, taskDir } from '../../layout.ts';
import { factKey, isFactLine } from '../../write/lines/fact-line.ts';
import { sentKey, traceKey } from '../../write/lines/line-keys.ts';
import { isAsideOf } from '../../write/set-aside.ts';
import { foldedDocuments } from '../../write/task/folded-documents.ts';
import { droppedSpansOf } from '../../write/task/task-documents.ts';
import { ownerOf } from '../../write/task/task-owner.ts';
import { TaskTelemetry } from '../../write/task/task-telemetry.ts';
import { differingFields } from './compare.ts';
import { Findings } from './finding.ts';
import { type ManifestSums, readManifest, verifyManifest } from './manifest-sums.ts';
import { type ScannedLines, scanLines } from './scan-lines.ts';
import { verifySidecars } from './verify-sidecars.ts';

const DOCUMENTS = ['input', 'finalResult', 'metadata'] as const;
type DocumentName = (typeof DOCUMENTS)[number];

type LineFiles = 'webhookFlow' | 'agentOutput' | 'facts' | 'trace';

/** What the files of a task say. */
interface ReadTask {
  readonly lines: Readonly<Record<LineFiles, ScannedLines | undefined>>;
  readonly facts: readonly FactLine[];
  readonly telemetry: TaskTelemetry;
  readonly documents: Readonly<Record<DocumentName, JsonObject | undefined>>;
}

/** What is wrong with the files of a task. Only reads; throws what the system throws. */
export async function verifyTask(logDir: string, taskId: string): Promise<Findings> {
  const findings = new Findings({ kind: 'task', id: taskId });
  const dir = taskDir(logDir, taskId);
  const names = await readdir(dir);
  await findNoFiles(dir, { taskId, names, findings });
  // What the others say cannot be held against what is missing.
  if (findings.found.length > 0) return findings;
  const manifest = await readManifest(dir, taskId, findings);
  const task = await readTask(dir, { taskId, findings, manifest });
  // Neither a document nor a line: the folder of another program.
  if (!hasAnything(task)) return findings;
  verifyLines(task, findings, taskId);
  verifyDocuments(task, findings, taskId);
  if (manifest !== undefined) await verifyManifest({ dir, taskId, manifest, findings, lines: task.lines });
  await verifySidecars(logDir, taskId, findings);
  for (const name of names)
    if (DOCUMENTS.some((document) => isAsideOf(name, TASK_FILES[document])))
      findings.add('set_aside', join(taskId, name), 'kept');
  return findings;
}

/** Readers take what is not a regular file for missing: here it is named. */
async function findNoFiles(
  dir: string,
  { taskId, names, findings }: { taskId: string; names: readonly string[]; findings: Findings },
): Promise<void> {
  for (const name of Object.values(TASK_FILES)) {
    const stats = names.includes(name) ? await lstatIfPresent(join(dir, name)) : undefined;
    if (stats?.isFile() === false) findings.add('not_a_file', join(taskId, name), `it is ${kindOf(stats)}`);
  }
}

interface Reading {
  readonly taskId: string;
  readonly findings: Findings;
  readonly manifest: ManifestSums | undefined;
}

async function readTask(dir: string, { taskId, findings, manifest }: Reading): Promise<ReadTask> {
  const facts: FactLine[] = [];
  const telemetry = new TaskTelemetry();
  const scan = (
    file: LineFiles,
    keyOf: (line: unknown) => ReturnType<typeof sentKey>,
    onLine?: (line: JsonObject) => void,
  ): Promise<ScannedLines | undefined> => {
    const name = TASK_FILES[file];
    const path = join(dir, name);
    const prefixBytes = manifest?.[name]?.bytes;
    const more = onLine === undefined ? {} : { onLine };
    return scanLines({
      path,
      name: join(taskId, name),
      findings,
      mayBeGzipped: true,
      prefixBytes,
      keyOf,
      ...more,
    });
  };
  // The documents first: they are written after their lines, so that lines that come meanwhile are no difference.
  const documents = {
    metadata: await readDocument(dir, 'metadata', { taskId, findings }),
    input: await readDocument(dir, 'input', { taskId, findings }),
    finalResult: await readDocument(dir, 'finalResult', { taskId, findings }),
  };
  const lines = {
    webhookFlow: await scan('webhookFlow', sentKey),
    agentOutput: await scan('agentOutput', sentKey, (line) => telemetry.readLine(line)),
    facts: await scan('facts', factKey, (line) => {
      if (isFactLine(line)) facts.push(line);
    }),
    trace: await scan('trace', traceKey, (line) => telemetry.readSpan(line)),
  };
  return { lines, facts, telemetry, documents };
}

async function readDocument(
  dir: string,
  kind: DocumentName,
  { taskId, findings }: Omit<Reading, 'manifest'>,
): Promise<JsonObject | undefined> {
  const text = await readText(join(dir, TASK_FILES[kind]));
  if (text === undefined) return undefined;
  const name = join(taskId, TASK_FILES[kind]);
  const document = parseObject(text);
  if (document === undefined) {
    const isCut = text.trimStart().startsWith('{');
    const what = text.trim() === '' ? 'it is empty' : isCut ? 'it is not whole' : 'it is not a JSON object';
    findings.add('damaged_document', name, text.includes('\0') ? 'it has NUL bytes' : what);
    return undefined;
  }
  if (isNewer(document))
    findings.add('newer_version', name, `schema version ${String(document.schema_version)}`);
  else {
    const problem = documentProblem(kind, document);
    if (problem !== undefined)
      findings.add('damaged_document', name, `it has not the form of its kind (${problem})`);
  }
  return document;
}

function hasAnything({ lines, documents }: ReadTask): boolean {
  const values = [...Object.values(lines), ...Object.values(documents)];
  return values.some((value) => value !== undefined);
}

function verifyLines({ lines, documents }: ReadTask, findings: Findings, taskId: string): void {
  if (documents.metadata?.settled !== true) return;
  for (const file of ['webhookFlow', 'agentOutput'] as const)
    if (lines[file]?.isOrdered === false)
      findings.add('out_of_order', join(taskId, TASK_FILES[file]), 'its lines are not in order');
}

/** Holds the documents against what the lines give, as the store would write them. */
function verifyDocuments(task: ReadTask, findings: Findings, taskId: string): void {
  const { documents, lines, facts, telemetry } = task;
  const { metadata } = documents;
  const nameOf = (file: TaskFile): string => join(taskId, TASK_FILES[file]);
  const isDamaged = (file: DocumentName): boolean =>
    findings.found.some((one) => one.problem === 'damaged_document' && one.file === nameOf(file));
  // Lines of a newer version may say anything.
  if ((lines.facts?.newer ?? 0) > 0) return;
  const fold = new TaskFold(taskId);
  const hasLines = Object.values(lines).some((file) => file !== undefined && file.sum.bytes > 0);
  const owner = ownerOf({ facts, metadata, hasLines });
  if (owner !== undefined && owner !== 'anonymous') {
    fold.claim();
    telemetry.claim();
  }
  for (const fact of facts) fold.add(fact);
  const firsts = Object.values(lines).flatMap((file) => file?.first ?? []);
  const folded = foldedDocuments({
    ...{ fold, telemetry, owner, firstTimestamp: firsts.sort()[0] ?? null },
    droppedSpans: droppedSpansOf(metadata ?? {}),
    isSettled: metadata?.settled === true,
  });
  for (const kind of DOCUMENTS) {
    const stored = documents[kind];
    const expected = folded[kind];
    if (stored === undefined) {
      if (expected !== undefined && !isDamaged(kind))
        findings.add('missing_file', nameOf(kind), 'it does not exist');
    } else if (isNewer(stored)) continue;
    else if (expected === undefined)
      findings.add('disagrees', nameOf(kind), 'no line of facts.jsonl says what it says');
    else {
      const fields = differingFields(stored, asWritten(expected, stored));
      if (fields.length > 0)
        findings.add('disagrees', nameOf(kind), `it differs from what the lines give, in ${shown(fields)}`);
    }
  }
  if (metadata !== undefined && isTerminal(metadata.status) && documents.finalResult === undefined) {
    const isNamed = findings.found.some(({ file }) => file === nameOf('finalResult'));
    if (!isNamed)
      findings.add('missing_file', nameOf('finalResult'), 'the task has ended, and it does not exist');
  }
}

const SHOWN_MAX = 6;

function shown(fields: readonly string[]): string {
  const more = fields.length > SHOWN_MAX ? ` and ${fields.length - SHOWN_MAX} more` : '';
  return fields.slice(0, SHOWN_MAX).join(', ') + more;
}

/** Results of earlier versions have no basis of their cost. */
function asWritten(expected: object, stored: JsonObject): object {
  const { metrics } = expected as JsonObject;
  if (!isJsonObject(metrics) || !isJsonObject(stored.metrics) || 'cost_basis' in stored.metrics)
    return expected;
  const { cost_basis: _, ...others } = metrics;
  return { ...expected, metrics: others };
}
