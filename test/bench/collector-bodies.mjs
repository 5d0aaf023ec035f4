import {
  JsonLogsSerializer,
  JsonTraceSerializer,
  ProtobufLogsSerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer';

const RECORDS_A_BODY = 512;
const TASKS = 8;
const FIRST_MS = 1_750_000_000_000;

/** One of eight requests has spans: agents print many more lines than they have spans. */
const SPANS_EVERY = 8;

const SERIALIZERS = {
  json: { logs: JsonLogsSerializer, traces: JsonTraceSerializer },
  protobuf: { logs: ProtobufLogsSerializer, traces: ProtobufTraceSerializer },
};

/** The ids of the tasks, for each of which the store and the collector write a file. */
export const TASK_IDS = Array.from({ length: TASKS }, (_, task) => `task-${task}`);

/**
 * The requests of one round, as encoded by the standard exporters. Every eighth has spans, the others output lines, mixed
 * from several tasks. All ids are unique. The task id is an attribute of each record or of its resource, as `on` says.
 */
export function createRequests(round, { count, encoding, on }) {
  const scope = { name: 'tasktrail' };
  const plain = resourceOf({ 'service.name': 'bench' });
  const named = TASK_IDS.map((id) => resourceOf({ 'service.name': 'bench', 'tasktrail.task.id': id }));
  return Array.from({ length: count }, (_, body) => {
    const signal = body % SPANS_EVERY === SPANS_EVERY - 1 ? 'traces' : 'logs';
    const first = (round * count + body) * RECORDS_A_BODY;
    const items = Array.from({ length: RECORDS_A_BODY }, (_item, index) => {
      const task = index % TASKS;
      const item = { instrumentationScope: scope, resource: on === 'resource' ? named[task] : plain };
      const attributes = on === 'resource' ? {} : { 'tasktrail.task.id': TASK_IDS[task] };
      const create = signal === 'logs' ? lineOf : spanOf;
      return { ...item, ...create(first + index, attributes) };
    });
    const bytes = Buffer.from(SERIALIZERS[encoding][signal].serializeRequest(items));
    return { signal, records: RECORDS_A_BODY, bytes };
  });
}

function resourceOf(attributes) {
  return { attributes, asyncAttributesPending: false };
}

function lineOf(number, attributes) {
  return {
    hrTime: timeOf(number),
    hrTimeObserved: timeOf(number),
    eventName: 'tasktrail.agent.output',
    body: `${number} ${'the quick brown fox reads "src/app.ts" and goes on; '.repeat(4)}`.slice(0, 200),
    attributes: {
      'tasktrail.event.id': `01JY${String(number).padStart(22, '0')}`,
      ...attributes,
      'tasktrail.task.attempt': 1,
      'tasktrail.agent.output.type': 'output',
    },
    spanContext: spanContextOf(1),
    droppedAttributesCount: 0,
  };
}

function spanOf(number, attributes) {
  return {
    name: 'execute_tool Bash',
    kind: 0,
    spanContext: () => spanContextOf(number + 2),
    parentSpanContext: spanContextOf(1),
    startTime: timeOf(number),
    endTime: timeOf(number + 5),
    status: { code: 0 },
    attributes: {
      ...attributes,
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'Bash',
      'gen_ai.tool.call.id': `toolu_${number}`,
    },
    events: [],
    links: [],
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function spanContextOf(number) {
  const spanId = number.toString(16).padStart(16, '0');
  return { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId, traceFlags: 1 };
}

function timeOf(number) {
  const ms = FIRST_MS + number;
  return [Math.trunc(ms / 1000), (ms % 1000) * 1_000_000];
}
