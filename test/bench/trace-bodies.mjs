import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';

const SPANS_A_BODY = 500;
const CALLS_A_TURN = 24;
const TURN_MS = 6_000;
const NO_LINKS = {
  links: [],
  events: [],
  droppedAttributesCount: 0,
  droppedEventsCount: 0,
  droppedLinksCount: 0,
};

/**
 * OTLP requests (protobuf) of one trace: an agent whose turns are a call of a model and the calls of tools that it asked for.
 * Attributes are those of the GenAI conventions; `taskId` makes it the trace of a task.
 */
export function traceBodies({ spans, taskId, traceId, startMs }) {
  const resource = resourceFromAttributes({ 'service.name': 'bench' });
  const endMs = startMs + Math.ceil(spans / (CALLS_A_TURN + 2)) * TURN_MS;
  const make = (number, parent, { name, from, to, attributes }) => ({
    ...NO_LINKS,
    name,
    kind: 0,
    spanContext: () => ({ traceId, spanId: idOf(number), traceFlags: 1 }),
    ...(parent !== undefined && { parentSpanContext: { traceId, spanId: idOf(parent), traceFlags: 1 } }),
    startTime: timeOf(from),
    endTime: timeOf(to),
    duration: timeOf(to - from),
    ended: true,
    status: { code: number % 97 === 96 ? 2 : 0 },
    attributes: { 'tasktrail.task.id': taskId, ...attributes },
    resource,
    instrumentationScope: { name: 'bench', version: '1' },
  });
  const all = [
    make(1, undefined, {
      name: 'invoke_agent bench',
      from: startMs,
      to: endMs,
      attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'bench' },
    }),
  ];
  for (let turn = 0; all.length < spans; turn += 1) {
    const from = startMs + turn * TURN_MS;
    const first = all.length + 1;
    const add = (parent, more) => all.length < spans && all.push(make(all.length + 1, parent, more));
    add(1, { name: `turn ${turn}`, from, to: from + TURN_MS, attributes: { 'bench.turn': turn } });
    add(first, {
      name: 'chat opus',
      from,
      to: from + 2_000,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': 'opus',
        'gen_ai.usage.input_tokens': 1_000 + turn,
        'gen_ai.usage.output_tokens': turn % 900,
      },
    });
    for (let call = 0; call < CALLS_A_TURN; call += 1) {
      const at = from + 2_000 + call * 150;
      const id = `call-${turn}-${call}`;
      add(first, {
        name: 'execute_tool Bash',
        from: at,
        to: at + 20 + ((turn * call) % 120),
        attributes: {
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': 'Bash',
          'gen_ai.tool.call.id': id,
          'gen_ai.tool.call.arguments': `{"command":"npm test -- ${id} ${'x'.repeat(100)}"}`,
        },
      });
    }
  }
  const bodies = [];
  for (let at = 0; at < all.length; at += SPANS_A_BODY)
    bodies.push(ProtobufTraceSerializer.serializeRequest(all.slice(at, at + SPANS_A_BODY)));
  return bodies;
}

/** Sends the requests one after the other. */
export async function sendTrace(url, bodies) {
  for (const body of bodies) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf' },
      body,
    });
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
    await response.arrayBuffer();
  }
}

function idOf(number) {
  return number.toString(16).padStart(16, '0');
}

function timeOf(ms) {
  return [Math.floor(ms / 1_000), (ms % 1_000) * 1e6];
}
