import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

export const RECORDS_A_BODY = 512;
const TASKS = 8;
const FIRST_MS = 1_750_000_000_000;

/** The bodies of one round: mixed records of several tasks, as from concurrent agents. All ids are unique. */
export function createBodies(round, count, encoding) {
  const encode = encoding === 'json' ? encodeJson : encodeProtobuf;
  return Array.from({ length: count }, (_, body) => {
    const first = (round * count + body) * RECORDS_A_BODY;
    return encode(Array.from({ length: RECORDS_A_BODY }, (_item, index) => recordOf(first + index)));
  });
}

function recordOf(number) {
  return {
    timeUnixNano: `${FIRST_MS + number}000000`,
    observedTimeUnixNano: `${FIRST_MS + number}000000`,
    eventName: 'tasktrail.agent.output',
    body: `${number} ${'the quick brown fox reads "src/app.ts" and goes on; '.repeat(4)}`.slice(0, 200),
    attributes: [
      ['tasktrail.event.id', `01JY${String(number).padStart(22, '0')}`],
      ['tasktrail.task.id', `task-${number % TASKS}`],
      ['tasktrail.task.attempt', 1],
      ['tasktrail.agent.output.type', 'output'],
    ],
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
  };
}

function encodeJson(records) {
  const logRecords = records.map(({ body, attributes, ...record }) => ({
    ...record,
    body: { stringValue: body },
    attributes: attributes.map(([key, value]) => ({
      key,
      value: typeof value === 'number' ? { intValue: value } : { stringValue: value },
    })),
  }));
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'bench' } }] };
  return Buffer.from(
    JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ scope: { name: 'bench' }, logRecords }] }] }),
  );
}

/** Field numbers are from opentelemetry-proto: logs_service.proto, logs.proto, resource.proto, common.proto. */
function encodeProtobuf(records) {
  const writer = new BinaryWriter();
  nest(writer, 1, () => {
    nest(writer, 1, () => writeAttribute(writer, 1, 'service.name', 'bench'));
    nest(writer, 2, () => {
      nest(writer, 1, () => writer.tag(1, WireType.LengthDelimited).string('bench'));
      for (const record of records) nest(writer, 2, () => writeRecord(writer, record));
    });
  });
  return Buffer.from(writer.finish());
}

function writeRecord(writer, record) {
  writer.tag(1, WireType.Bit64).fixed64(record.timeUnixNano);
  nest(writer, 5, () => writer.tag(1, WireType.LengthDelimited).string(record.body));
  for (const [key, value] of record.attributes) writeAttribute(writer, 6, key, value);
  writer.tag(9, WireType.LengthDelimited).bytes(Buffer.from(record.traceId, 'hex'));
  writer.tag(10, WireType.LengthDelimited).bytes(Buffer.from(record.spanId, 'hex'));
  writer.tag(11, WireType.Bit64).fixed64(record.observedTimeUnixNano);
  writer.tag(12, WireType.LengthDelimited).string(record.eventName);
}

function writeAttribute(writer, field, key, value) {
  nest(writer, field, () => {
    writer.tag(1, WireType.LengthDelimited).string(key);
    nest(writer, 2, () => {
      if (typeof value === 'number') writer.tag(3, WireType.Varint).int64(value);
      else writer.tag(1, WireType.LengthDelimited).string(value);
    });
  });
}

function nest(writer, field, write) {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}
