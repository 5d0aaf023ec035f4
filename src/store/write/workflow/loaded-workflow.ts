import { basename, dirname } from 'node:path';
import { parseObject } from '../../../model/json.ts';
import type { WorkflowFact } from '../../../project/change.ts';
import { factOfEnvelope } from '../../../project/workflow-envelope.ts';
import { readText } from '../../../system/durable.ts';
import { isEnvelope, isWorkflowFact } from '../../workflow-fact-line.ts';
import { workflowFile } from '../../workflow-place.ts';
import { LineFile } from '../lines/line-file.ts';
import { eventKey, sentKey, traceKey } from '../lines/line-keys.ts';
import { recordLine } from '../lines/line-limit.ts';
import type { LineWriter } from '../lines/line-writer.ts';
import { hasRecord, sentId } from '../lines/sent-line.ts';
import { revisionIn } from './workflow-text.ts';

export interface WorkflowTarget {
  readonly id: string;
  /** The month's folder. */
  readonly month: string;
  readonly nowMs: number;
}

/** The files of a workflow, and what opening them has read. */
export interface LoadedWorkflow {
  readonly facts: LineFile;
  readonly events: LineFile;
  readonly trace: LineFile;
  readonly document: string | undefined;
  /** The highest revision that the document or its upload had; 0: neither. */
  readonly revision: number;
  readonly storedFacts: readonly WorkflowFact[];
}

export async function loadWorkflow(
  { id, month }: WorkflowTarget,
  writer?: LineWriter,
): Promise<LoadedWorkflow> {
  const storedFacts: WorkflowFact[] = [];
  const path = (file: Parameters<typeof workflowFile>[2]): string => workflowFile(month, id, file);
  const factKey = (line: unknown): ReturnType<typeof sentKey> =>
    isWorkflowFact(line) ? sentKey(line) : undefined;
  const facts = await LineFile.open(path('facts'), factKey, {
    writer,
    onLine: (line) => isWorkflowFact(line) && storedFacts.push(line),
  });
  // A case-insensitive file system gives two ids the same file: their events must not be mixed.
  const other = storedFacts.find((fact) => fact.workflow_id !== id);
  if (other !== undefined) {
    const where = `${basename(dirname(month))}/${basename(month)}`;
    throw new TypeError(`workflow ${id}: its file in ${where} belongs to workflow ${other.workflow_id}`);
  }
  const envelopes: unknown[] = [];
  const events = await LineFile.open(path('events'), eventKey, {
    writer,
    onLine: (line) => envelopes.push(line),
  });
  const document = await readText(path('document'));
  const listed = parseObject(document)?.events;
  if (Array.isArray(listed)) envelopes.push(...listed);
  // Facts are written first and may still be lost: what was written after them says what they were.
  const lost = new Map<string, WorkflowFact>();
  for (const envelope of envelopes) {
    if (!isEnvelope(envelope) || envelope.workflow_id !== id || hasRecord(facts, envelope)) continue;
    // An id, though unknown: the span of a lost start was sent already, and must not be built again under another id.
    lost.set(sentId(envelope), { ...factOfEnvelope(envelope), span_id: '' });
  }
  // Envelopes were lines of the same length already.
  await facts.append([...lost.values()].flatMap((fact) => recordLine(fact) ?? []));
  storedFacts.push(...lost.values());
  return {
    facts,
    storedFacts,
    events,
    trace: await LineFile.open(path('trace'), traceKey, { writer }),
    document,
    revision: revisionIn(document, await readText(path('uploaded'))),
  };
}
