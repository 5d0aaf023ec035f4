import { resourceFromAttributes } from '@opentelemetry/resources';
import { expect, test } from 'vitest';
import { ATTR } from '../../../../src/model/attributes.ts';
import type { ReceivedLog, ReceivedSpan } from '../../../../src/model/otlp.ts';
import type { StoredWorkflow } from '../../../../src/model/workflow.ts';
import { activeRecorder } from '../../../../src/record/recorder.ts';
import { LeaseRecords } from '../../../../src/service/warehouse/lease/lease-records.ts';
import type { Term } from '../../../../src/service/warehouse/lease/redis-lease.ts';
import { taskEnder } from '../../../../src/trail/thread/task-ender.ts';
import { span } from '../../../support/records.ts';
import { foldOf, wholeRun } from '../../../support/workflow-files.ts';

const HELD: Term = {
  number: 1,
  beganMs: 0,
  isHeld: () => true,
  confirm: async () => true,
  run: async () => 1,
};
const LOST: Term = { ...HELD, isHeld: () => false, confirm: async () => false };

interface Service {
  readonly logs: ReceivedLog[];
  readonly spans: ReceivedSpan[];
  readonly records: LeaseRecords;
  abandon(term: Term, task: { readonly attempt: number }): Promise<void>;
}

/** A service that takes itself for the holder. */
function service({ fails = false } = {}): Service {
  const [logs, spans]: [ReceivedLog[], ReceivedSpan[]] = [[], []];
  const records = new LeaseRecords({
    sink: {
      ingest: async (batch) => {
        if (fails) throw new Error('it is away');
        logs.push(...batch.logs);
        spans.push(...batch.spans);
        return { rejected: 0, reasons: [] };
      },
    },
    resource: resourceFromAttributes({ 'service.name': 'test' }),
    source: { resource: { attributes: [] }, scope: { name: 'tasktrail' } },
    onStored: () => {},
    log: () => {},
  });
  return {
    ...{ logs, spans, records },
    abandon: (term, { attempt }) => {
      const ender = taskEnder({ readWorkflow: async () => openWorkflow() }, (fn) => records.record(term, fn));
      const task = { taskId: 'task-1', attempt, openedBy: undefined, workflowIds: ['open'] };
      return ender.abandon({ ...task, error: 'its worker is gone' });
    },
  };
}

/** After its first events a phase and a step are open. */
function openWorkflow(): StoredWorkflow {
  const fold = foldOf('open', wholeRun('open').slice(0, 3));
  return { state: fold.state, events: fold.envelopes, document: undefined, upload: undefined };
}

function idsIn({ logs }: Service): readonly unknown[] {
  return logs.map(({ record }) => record.attributes?.[ATTR.eventId]);
}

test('two services that both take themselves for the holder make the same records', async () => {
  const [one, other] = [service(), service()];
  await one.abandon(HELD, { attempt: 1 });
  await other.abandon(HELD, { attempt: 1 });
  expect(one.logs.map(({ record }) => record.eventName)).toContain('tasktrail.task.result');
  expect(one.logs.map(({ record }) => record.eventName)).toContain('tasktrail.workflow_complete');
  expect(idsIn(one)).toEqual(idsIn(other));
  expect(new Set(idsIn(one)).size).toBe(one.logs.length);
  for (const id of idsIn(one)) expect(id).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
});

test('another attempt has other records', async () => {
  const one = service();
  await one.abandon(HELD, { attempt: 1 });
  const first = idsIn(one);
  one.logs.length = 0;
  await one.abandon(HELD, { attempt: 2 });
  const [results] = [idsIn(one)];
  expect(results.some((id) => first.includes(id))).toBe(false);
});

test('a service that has lost the lease stores nothing, and says so', async () => {
  const one = service();
  await expect(one.abandon(LOST, { attempt: 1 })).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
  await expect(one.records.addSpans(LOST, [span({ id: '01' }).span])).rejects.toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
  });
  expect([one.logs, one.spans]).toEqual([[], []]);
});

test('what the store does not take is no record', async () => {
  await expect(service({ fails: true }).abandon(HELD, { attempt: 1 })).rejects.toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
    retryable: true,
  });
});

test('the recorder of the process stays as it was', async () => {
  const before = activeRecorder();
  await service().abandon(HELD, { attempt: 1 });
  expect(activeRecorder()).toBe(before);
});
