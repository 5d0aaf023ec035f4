import { join } from 'node:path';
import { isNewer } from '../../../model/documents.ts';
import { isJsonObject, type JsonObject, parseObject } from '../../../model/json.ts';
import { sha256 } from '../../../model/sha256.ts';
import type { WorkflowFact } from '../../../project/change.ts';
import { WorkflowFold } from '../../../project/workflow-fold.ts';
import { readText } from '../../../system/durable.ts';
import { WORKFLOW_FILES, type WorkflowFile } from '../../layout.ts';
import { isEnvelope, isWorkflowFact } from '../../workflow-fact-line.ts';
import { workflowFile } from '../../workflow-place.ts';
import { eventKey, sentKey, traceKey } from '../../write/lines/line-keys.ts';
import { sentId } from '../../write/lines/sent-line.ts';
import { differingFields } from './compare.ts';
import { Findings } from './finding.ts';
import { type ScannedLines, scanLines } from './scan-lines.ts';

interface WorkflowPlace {
  readonly id: string;
  /** The month's folder. */
  readonly month: string;
  /** The folder's name for messages: `_workflow/2026/01`. */
  readonly folder: string;
}

/** What is wrong with the files of a workflow. Only reads; throws what the system throws. */
export async function verifyWorkflow(place: WorkflowPlace): Promise<Findings> {
  const { id, month } = place;
  const findings = new Findings({ kind: 'workflow', id });
  const nameOf = (file: WorkflowFile): string => join(place.folder, id + WORKFLOW_FILES[file]);
  const scan = (
    file: WorkflowFile,
    keyOf: Parameters<typeof scanLines>[0]['keyOf'],
    onLine: (line: JsonObject) => void = () => undefined,
  ): Promise<ScannedLines | undefined> =>
    scanLines({ path: workflowFile(month, id, file), name: nameOf(file), findings, keyOf, onLine });
  // What is written last is read first.
  const uploaded = await readText(workflowFile(month, id, 'uploaded'));
  const text = await readText(workflowFile(month, id, 'document'));
  const envelopes: JsonObject[] = [];
  await scan(
    'events',
    (line) => (isEnvelope(line) ? eventKey(line) : undefined),
    (line) => envelopes.push(line),
  );
  const facts: WorkflowFact[] = [];
  const factLines = await scan(
    'facts',
    (line) => (isWorkflowFact(line) ? sentKey(line) : undefined),
    (line) => {
      if (isWorkflowFact(line) && line.workflow_id === id) facts.push(line);
    },
  );
  await scan('trace', traceKey);
  if (uploaded !== undefined && !isMark(uploaded))
    findings.add('damaged_document', nameOf('uploaded'), 'it is not the mark of an upload');
  // Lines of a newer version may say anything.
  if ((factLines?.newer ?? 0) > 0) return findings;
  const fold = new WorkflowFold(id, sha256);
  fold.add(facts);
  verifyEvents({ fold, envelopes, facts, findings, name: nameOf('events') });
  verifyDocument({ fold, text, findings, name: nameOf('document') });
  return findings;
}

interface EventCheck {
  readonly fold: WorkflowFold;
  readonly envelopes: readonly JsonObject[];
  readonly facts: readonly WorkflowFact[];
  readonly findings: Findings;
  readonly name: string;
}

function verifyEvents({ fold, envelopes, facts, findings, name }: EventCheck): void {
  const known = new Set(facts.map((fact) => fact.event_id));
  const lost = envelopes.filter(({ event_id: id }) => !known.has(String(id)));
  if (lost.length > 0)
    findings.add('disagrees', name, `${lost.length} of its events are not in the facts of the workflow`);
  const stored = new Map(envelopes.map((line) => [String(line.event_id), line]));
  const keys = new Set(
    fold.placed
      .filter(({ fact }) => stored.has(fact.event_id))
      .map(({ key, fact }) => `${String(fact.sender)} ${key}`),
  );
  // Of one key the earliest stays: a later one may stand there until the file is put in order.
  const missing = fold.placed.filter(
    ({ fact, key, isKept }) =>
      isKept && !stored.has(fact.event_id) && !keys.has(`${String(fact.sender)} ${key}`),
  );
  if (missing.length > 0)
    findings.add('missing_lines', name, `${missing.length} events of the facts are not in it`);
  const byId = new Map(facts.map((fact) => [sentId(fact), fact]));
  const changed = envelopes.filter((line) => {
    const fact = isEnvelope(line) ? byId.get(sentId(line)) : undefined;
    return fact !== undefined && differingFields(said(line), said(fact)).length > 0;
  });
  for (const line of changed)
    findings.add('disagrees', name, `event ${String(line.event_id)} is not what the facts say`);
}

/** The fields that an event and its fact have in common. */
function said(line: object): JsonObject {
  const { event_type, timestamp, payload, project, environment } = line as WorkflowFact;
  return { event_type, timestamp, payload, project, environment };
}

interface DocumentCheck {
  readonly fold: WorkflowFold;
  readonly text: string | undefined;
  readonly findings: Findings;
  readonly name: string;
}

function verifyDocument({ fold, text, findings, name }: DocumentCheck): void {
  if (text === undefined) {
    if (fold.endId !== undefined)
      findings.add('missing_file', name, 'the workflow has ended, and it does not exist');
    return;
  }
  const document = parseObject(text);
  const revision = document?.revision;
  if (document === undefined || typeof revision !== 'number' || !Array.isArray(document.events)) {
    findings.add('damaged_document', name, text.includes('\0') ? 'it has NUL bytes' : 'it is not whole');
    return;
  }
  if (isNewer(document)) {
    findings.add('newer_version', name, `schema version ${String(document.schema_version)}`);
    return;
  }
  const folded = fold.document(revision);
  if (folded === undefined) {
    findings.add('disagrees', name, 'no fact says that the workflow has ended');
    return;
  }
  const fields = differingFields(document, folded);
  // Late events go into it after a quiet time.
  const isBehind = document.event_id === folded.event_id && isPart(document.events, folded.events);
  if (fields.length > 0 && !isBehind)
    findings.add('disagrees', name, `it differs from what the facts give, in ${fields.join(', ')}`);
}

function isPart(stored: readonly unknown[], folded: readonly { readonly event_id: string }[]): boolean {
  const ids = new Set(folded.map(({ event_id: id }) => id));
  return (
    stored.length < folded.length &&
    stored.every((event) => isJsonObject(event) && ids.has(String(event.event_id)))
  );
}

function isMark(text: string): boolean {
  const mark = parseObject(text);
  return (
    typeof mark?.bucket === 'string' && typeof mark.key === 'string' && Number.isSafeInteger(mark.revision)
  );
}
