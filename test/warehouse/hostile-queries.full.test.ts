import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ReceivedLog } from '../../src/model/otlp.ts';
import { ANONYMOUS, TRAIL } from '../../src/model/sender.ts';
import { openApiDocument } from '../../src/serve/contract/openapi.ts';
import { ask } from '../serve/log-server.ts';
import { fc } from '../support/fast-check.ts';
import { log } from '../support/records.ts';
import { rowService } from '../support/row-service.ts';
import { SseClient } from '../support/sse.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../support/victoria-logs.ts';

const tool = findVictoriaLogs();

/** Stands in each value that a client sends. */
const WORD = 'zqforeign';

/** What ends a string, a filter or a query of LogsQL, or begins another one. */
const PIECES = [
  ...[
    '"',
    "'",
    '`',
    '\\',
    '\\"',
    '\n',
    '\r',
    '\0',
    '\u2028',
    '\ud800',
    '(',
    ')',
    '{',
    '}',
    '[',
    ']',
    ':',
    '=',
    '~',
    '*',
  ],
  ...[
    '|',
    '#',
    '!',
    ',',
    ' ',
    ' or ',
    ' | delete ',
    ' | limit 0',
    '"} or {',
    '") or ("',
    ':=',
    '_time:>0',
    '..',
    '%',
    '&',
  ],
  ...[
    'AccountID',
    '\r\nAccountID: 0',
    '&query=*',
    '&tenant=0:0',
    '0',
    '-1',
    '1e22',
    '9'.repeat(30),
    'z_z_1.0_zzzzzzzz',
  ],
];

const hostile = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 6 })
  .map((pieces) => pieces.join('').toWellFormed());

/** A task with an output, whose texts and ids are these. */
function taskLogs(id: string, text = 'hello', eventId?: string): readonly ReceivedLog[] {
  const attributes = {
    ...{ 'tasktrail.task.id': id, 'tasktrail.agent.output.type': 'output', 'gen_ai.agent.name': text },
    ...{ 'tasktrail.workflow.id': text, 'tasktrail.webhook.delivery_id': text },
  };
  const of = (event: string, body: ReceivedLog['record']['body'], number: number): ReceivedLog =>
    log({
      ...{ event, attributes, resource: { 'service.name': text } },
      ...(body !== undefined && { body }),
      ...(eventId !== undefined && { id: `${eventId}${number}` }),
    });
  return [
    of('tasktrail.task.metadata', { source: text, status: 'running', assigned_agent: text, repo: text }, 1),
    of('tasktrail.task.input', { message: text }, 2),
    of('tasktrail.agent.output', text, 3),
    of(
      'tasktrail.webhook.delivery',
      { event_type: text, outcome: 'unmatched', reason: text, task_ids: [text] },
      4,
    ),
    of('tasktrail.workflow_start', { work_item_id: text }, 5),
  ];
}

/** A request to VictoriaLogs. */
interface Sent {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

describe.skipIf('missing' in tool)('what a client sends', () => {
  let server: VictoriaLogsServer;
  const sent: Sent[] = [];
  let gate: ReturnType<typeof createServer>;
  let address: string;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
    const { port } = new URL(server.url);
    gate = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        const body = Buffer.concat(chunks);
        sent.push({ path: req.url ?? '', headers: req.headers, body: body.toString() });
        const { method, headers, url: path } = req;
        const passed = request({ host: '127.0.0.1', port, method, headers, path }, (answer) => {
          res.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(res);
        });
        passed.on('error', () => res.destroy());
        passed.end(body);
      });
    });
    await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
    const at = gate.address();
    address = `victorialogs://127.0.0.1:${typeof at === 'object' ? at?.port : ''}?tenant=7:3`;
  });
  afterAll(async () => {
    gate.closeAllConnections();
    await new Promise((resolve) => gate.close(resolve));
    await server.stop();
  });

  /** Every request so far is of the tenant, at an address of ours, and has the values of clients in strings alone. */
  function checkSent(): void {
    for (const { path, headers, body } of sent.splice(0)) {
      expect(headers).toMatchObject({ accountid: '7', projectid: '3' });
      expect(path).toMatch(
        /^\/(?:select\/logsql\/query|insert\/jsonline\?_stream_fields=app%2Ckind%2Cshard|internal\/force_flush)$/,
      );
      if (!path.startsWith('/select/')) continue;
      const form = new URLSearchParams(body);
      expect([...form.keys()]).toEqual(['query', 'allow_partial_response']);
      const bare = (form.get('query') ?? '').replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
      expect(bare).not.toContain(WORD);
      expect(bare).not.toContain("'");
      // Nothing of theirs in what is left: names, numbers, times and marks of LogsQL.
      expect(bare).toMatch(/^[\w\s:=<>()[\]{},.|*!"~$+-]*$/);
      expect(bare).not.toMatch(/\d{25}|\de\+?\d\d|NaN|Infinity|undefined|\b(?:delete|AccountID)\b/);
    }
  }

  test('is text in every query, whatever parameter or path it is in, and every query is understood', async () => {
    const service = await rowService(address);
    await service.logs(taskLogs('task-1'));
    const document = openApiDocument({ version: '1', isService: false, hasToken: false, mount: '' });
    const addresses = Object.entries(document.paths as Record<string, Record<string, unknown>>).filter(
      // Notifications and health are not in VictoriaLogs, and streams do not end.
      ([path, methods]) => 'get' in methods && !/stream|notifications|health/.test(path),
    );
    const cases = addresses.flatMap(([path, methods]) => {
      const { parameters = [] } = methods.get as { parameters?: { name: string; in: string }[] };
      const named = parameters.filter((one) => one.in === 'query').map(({ name }) => name);
      return [undefined, ...named].map((name) => ({ path, name }));
    });
    expect(cases.length).toBeGreaterThan(50);
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...cases),
        hostile,
        fc.boolean(),
        async ({ path, name }, value, isWordFirst) => {
          const text = encodeURIComponent(isWordFirst ? WORD + value : value + WORD);
          const id = name === undefined ? text : 'task-1';
          const query = name === undefined ? '' : `?${name}=${text}`;
          const { status } = await ask(service.port, path.replaceAll(/\{[^}]*\}/g, id) + query);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          // 503: VictoriaLogs did not understand a query.
          expect([path, name, status < 500]).toEqual([path, name, true]);
          checkSent();
        },
      ),
      { numRuns: 400 },
    );
    expect(statuses.get(200)).toBeGreaterThan(20);
  }, 300_000);

  test('is text in every query of the search, in each of its fields', async () => {
    const service = await rowService(address);
    await service.logs(taskLogs('task-1'));
    const fields = [
      '',
      'id:',
      'repo:',
      'agent:',
      'source:',
      'command:',
      'error:',
      '-',
      'status:',
      'model:',
      'cost:>',
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...fields), hostile, fc.boolean(), async (field, value, isQuoted) => {
        const term = `${WORD}${value}`;
        const q = field + (isQuoted ? `"${term.replaceAll('"', '')}"` : term);
        for (const path of ['/tasks', '/stats', '/facets']) {
          const { status } = await ask(service.port, `${path}?q=${encodeURIComponent(q)}`);
          expect([path, q, status < 500]).toEqual([path, q, true]);
        }
        checkSent();
      }),
      { numRuns: 100 },
    );
  }, 300_000);

  test('is text in every query of a stream, as a place in it too', async () => {
    const service = await rowService(address);
    await service.logs(taskLogs('task-1'));
    const first = await SseClient.open(service.port, '/tasks/task-1/stream');
    const place = first.lastId;
    first.close();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('/tasks/task-1/stream', '/stream', '/stream?task=task-1', '/events/stream'),
        fc.oneof(
          hostile,
          fc
            .tuple(hostile, fc.nat(place.length))
            .map(([text, at]) => place.slice(0, at) + text + place.slice(at)),
        ),
        async (path, value) => {
          const text = encodeURIComponent(value);
          const stream = await SseClient.open(
            service.port,
            `${path}${path.includes('?') ? '&' : '?'}after=${text}`,
          );
          expect([path, value, stream.status < 500]).toEqual([path, value, true]);
          await new Promise((resolve) => setTimeout(resolve, 20));
          stream.close();
          checkSent();
        },
      ),
      { numRuns: 80 },
    );
  }, 300_000);

  test('is text in what is stored and looked up for it', async () => {
    const service = await rowService(address);
    await fc.assert(
      fc.asyncProperty(hostile, hostile, async (value, other) => {
        const logs = taskLogs('task-1', WORD + value, `${WORD}${other}`);
        // Some are refused: no id of a task or a workflow.
        for (const sender of [ANONYMOUS, TRAIL]) await service.sink.ingest({ logs, spans: [] }, sender);
        checkSent();
      }),
      { numRuns: 60 },
    );
  }, 300_000);
});
