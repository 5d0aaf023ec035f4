import { createHash } from 'node:crypto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { onTestFinished } from 'vitest';
import { OtelRecorder } from '../../src/export/otel-recorder.ts';
import type { JournalEntry } from '../../src/journal/line.ts';
import type { OtlpSpan } from '../../src/model/otlp.ts';
import type { WorkflowFact } from '../../src/project/change.ts';
import { projectLog } from '../../src/project/log-record.ts';
import { WorkflowFold } from '../../src/project/workflow-fold.ts';
import { SIGNALS } from '../../src/receive/signals.ts';
import { setRecorder } from '../../src/record/recorder.ts';
import type { KnownWorkflow } from '../../src/record/workflow/known-workflow.ts';

/** The records of several processes in order, as on disk: real records, received and projected. */
export class Ledger {
  readonly #entries: JournalEntry[] = [];

  /** Starts a process whose first `writesMax` records survive, as if it was killed after them. */
  startProcess(writesMax: number = Number.POSITIVE_INFINITY): void {
    let left = writesMax;
    const journal = {
      append: (_source: unknown, entry: JournalEntry): void => {
        if (left > 0) this.#entries.push(entry);
        left -= 1;
      },
      flush: (): void => {},
      synced: async (): Promise<void> => {},
    };
    const recorder = new OtelRecorder({ resource: resourceFromAttributes({}), journal });
    recorder.install();
    setRecorder(recorder);
  }

  get size(): number {
    return this.#entries.length;
  }

  get facts(): WorkflowFact[] {
    return this.#entries.flatMap(({ kind, json }) => (kind === 'L' ? factsIn(json) : []));
  }

  get spans(): OtlpSpan[] {
    return this.#entries.flatMap(({ kind, json }) => (kind === 'S' ? [JSON.parse(json) as OtlpSpan] : []));
  }

  fold(workflowId: string): WorkflowFold {
    const fold = new WorkflowFold(workflowId, (text) => createHash('sha256').update(text).digest('hex'));
    fold.add(this.facts.filter((fact) => fact.workflow_id === workflowId));
    return fold;
  }

  /** The state as a reader or the REST API returns it; undefined without events. */
  known(workflowId: string): KnownWorkflow | undefined {
    const fold = this.fold(workflowId);
    // Through JSON, as over the network.
    return fold.isEmpty ? undefined : JSON.parse(JSON.stringify({ ...fold.state, events: fold.envelopes }));
  }
}

export function openLedger(): Ledger {
  onTestFinished(() => setRecorder(undefined));
  return new Ledger();
}

function factsIn(json: string): WorkflowFact[] {
  const logs = SIGNALS[0]?.read({
    resourceLogs: [{ resource: {}, scopeLogs: [{ scope: {}, logRecords: [JSON.parse(json)] }] }],
  });
  return (logs?.batch.logs ?? []).flatMap((log) =>
    projectLog(log, String(log.record.attributes['tasktrail.event.id'])).flatMap((change) =>
      change.kind === 'workflow-fact' ? [change.fact] : [],
    ),
  );
}
