import { parseJson } from '../../model/json.ts';
import type { WorkflowFact } from '../../project/change.ts';
import { factOfEnvelope } from '../../project/workflow-envelope.ts';
import type { WorkflowPlace } from '../../store/read/workflow-reader.ts';
import { openStored, readStoredObject } from '../../store/stored-file.ts';
import { isEnvelope } from '../../store/workflow-fact-line.ts';
import { workflowFile } from '../../store/workflow-place.ts';
import { recordLine } from '../../store/write/lines/line-limit.ts';
import { hasRecord, sentId } from '../../store/write/lines/sent-line.ts';
import { readLines } from '../../system/lines.ts';
import type { NewLine } from '../../warehouse/rows.ts';
import { storedLine } from '../../warehouse/write/stored-lines.ts';

/** The events that only the other files of a workflow have, as the store makes them again. `has`: a key of its facts. */
export async function lostEvents(
  place: WorkflowPlace,
  has: (key: string) => boolean,
): Promise<readonly NewLine[]> {
  const lost = new Map<string, WorkflowFact>();
  const take = (envelope: unknown): void => {
    if (!isEnvelope(envelope) || envelope.workflow_id !== place.id || hasRecord({ has }, envelope)) return;
    lost.set(sentId(envelope), { ...factOfEnvelope(envelope), span_id: '' });
  };
  const events = await openStored(fileOf(place, 'events'));
  try {
    if (events !== undefined)
      for await (const lines of readLines(events.handle, { to: events.size }))
        for (const { bytes } of lines) take(parseJson(bytes?.toString('utf8') ?? ''));
  } finally {
    await events?.handle.close();
  }
  const listed = (await readStoredObject(fileOf(place, 'document')))?.events;
  if (Array.isArray(listed)) for (const envelope of listed as readonly unknown[]) take(envelope);
  return [...lost.values()].flatMap((fact) => {
    const text = recordLine(fact)?.text;
    const line = text === undefined ? undefined : storedLine('event', place.id, text);
    return line === undefined ? [] : [line];
  });
}

function fileOf({ month, id }: WorkflowPlace, file: 'events' | 'document'): { path: string; what: string } {
  return { path: workflowFile(month, id, file), what: `a file of workflow ${id}` };
}
