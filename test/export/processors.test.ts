import { ROOT_CONTEXT } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { expect, test } from 'vitest';
import { TasktrailLogRecordProcessor, TasktrailSpanProcessor } from '../../src/export/processors.ts';
import type { JournalEntry, TelemetrySource } from '../../src/journal/line.ts';
import { withTaskIds } from '../../src/record/task-context.ts';

const RESOURCE = resourceFromAttributes({ 'service.name': 'mine' });
const IN_TASK = withTaskIds(ROOT_CONTEXT, ['task-1']);
const IN_TWO = withTaskIds(ROOT_CONTEXT, ['task-1', 'task-2']);

class Writer {
  readonly sources: TelemetrySource[] = [];
  readonly records: { attributes: readonly { key: string; value: unknown }[] }[] = [];

  append(source: TelemetrySource, { json }: JournalEntry): void {
    this.sources.push(source);
    this.records.push(JSON.parse(json));
  }

  /** Values of an attribute, record by record. */
  values(key: string): unknown[] {
    return this.records.map(({ attributes }) => attributes.find((one) => one.key === key)?.value);
  }
}

function openTracer(writer: () => Writer | undefined) {
  const processor = new TasktrailSpanProcessor(writer);
  const provider = new BasicTracerProvider({ resource: RESOURCE, spanProcessors: [processor] });
  return { processor, tracer: provider.getTracer('test') };
}

function openLogger(writer: () => Writer | undefined) {
  const processors = [new TasktrailLogRecordProcessor(writer)];
  return new LoggerProvider({ resource: RESOURCE, processors }).getLogger('test');
}

test('a span inside a task gets the id of each of its tasks and is written when it ends', () => {
  const writer = new Writer();
  const { processor, tracer } = openTracer(() => writer);
  const span = tracer.startSpan('one', {}, IN_TASK);
  expect(processor.hasSeen(span)).toBe(true);
  expect(writer.records).toEqual([]);
  span.end();
  tracer.startSpan('two', {}, IN_TWO).end();
  expect(writer.values('tasktrail.task.id')).toEqual([{ stringValue: 'task-1' }, undefined]);
  expect(writer.values('tasktrail.task.ids')).toEqual([
    undefined,
    { arrayValue: { values: [{ stringValue: 'task-1' }, { stringValue: 'task-2' }] } },
  ]);
});

test('a span that names its task keeps that id, and one outside any task is not written', () => {
  const writer = new Writer();
  const { tracer } = openTracer(() => writer);
  tracer.startSpan('own', { attributes: { 'tasktrail.task.id': 'task-9' } }, IN_TASK).end();
  tracer.startSpan('outside', {}, ROOT_CONTEXT).end();
  tracer.startSpan('workflow', { attributes: { 'tasktrail.workflow.id': 'w-1' } }, ROOT_CONTEXT).end();
  expect(writer.values('tasktrail.task.id')).toEqual([{ stringValue: 'task-9' }, undefined]);
});

test('a log record inside exactly one task gets its id; others are written only with an event id', () => {
  const writer = new Writer();
  const logger = openLogger(() => writer);
  logger.emit({ body: 'inside', context: IN_TASK });
  logger.emit({ body: 'ambiguous', context: IN_TWO });
  logger.emit({ body: 'outside', context: ROOT_CONTEXT });
  logger.emit({ body: 'own', attributes: { 'tasktrail.event.id': 'e-1' }, context: ROOT_CONTEXT });
  expect(writer.records).toMatchObject([
    { body: { stringValue: 'inside' } },
    { body: { stringValue: 'own' } },
  ]);
  expect(writer.values('tasktrail.task.id')).toEqual([{ stringValue: 'task-1' }, undefined]);
});

test('without a writer nothing is seen or written', () => {
  const { processor, tracer } = openTracer(() => undefined);
  const span = tracer.startSpan('one', {}, IN_TASK);
  span.end();
  expect(processor.hasSeen(span)).toBe(false);
  openLogger(() => undefined).emit({ body: 'inside', context: IN_TASK });
});

test('records of one resource and scope share their source object', () => {
  const writer = new Writer();
  const { tracer } = openTracer(() => writer);
  for (const name of ['one', 'two']) tracer.startSpan(name, {}, IN_TASK).end();
  openLogger(() => writer).emit({ body: 'inside', context: IN_TASK });
  expect(writer.sources).toHaveLength(3);
  expect(new Set(writer.sources).size).toBe(1);
  expect(writer.sources[0]).toEqual({
    resource: { attributes: [{ key: 'service.name', value: { stringValue: 'mine' } }] },
    scope: { name: 'test' },
  });
});
