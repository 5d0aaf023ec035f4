import { describe, expect, test } from 'vitest';
import { anyValueFromPlain, keyValuesFromPlain } from '../../../src/model/otlp.ts';
import { isBrowserMissing, useBrowser } from '../../support/browser.ts';
import { type ForgedRecord, forgedTask, sendForged } from '../../support/forged-records.ts';
import { until } from '../../support/until.ts';
import { usePageService } from './page-service.ts';

const MARKUP = '<img src=x onerror="window.__ran=1"><script>window.__ran=2</script>';
/** Of each kind one: an override, a character without a width, a soft hyphen, a filler, a tag. */
const HIDDEN = 'a\u202eb\u200bc\u00add\u3164e\u{e0041}f';
const TEXT = `${MARKUP} ${HIDDEN}`;
/** Names that every object of JavaScript has. */
const WORDS = ['constructor', '__proto__', 'toString'];

const TRACE = 'c'.repeat(32);
const DEPTH = 6_000;

const of = (taskId: string): { 'tasktrail.task.id': string } => ({ 'tasktrail.task.id': taskId });

function output(content: string, more: Readonly<Record<string, string | object>>): ForgedRecord {
  const attributes = { ...of('hostile'), 'tasktrail.event.id': crypto.randomUUID(), ...more };
  return {
    event: 'tasktrail.agent.output',
    attributes: attributes as ForgedRecord['attributes'],
    body: content,
  };
}

function hostileTask(taskId: string, metadata: object, result?: object): readonly ForgedRecord[] {
  const started_at = new Date(Date.now() - 30_000).toISOString();
  const more = { status: 'running', started_at, ...metadata };
  const [, queued] = forgedTask(taskId, more);
  return [
    {
      event: 'tasktrail.task.input',
      attributes: of(taskId),
      body: { message: `${taskId} ${TEXT}`, source_metadata: {} },
    },
    ...(queued === undefined ? [] : [queued]),
    ...(result === undefined
      ? []
      : [{ event: 'tasktrail.task.result', attributes: of(taskId), body: result as ForgedRecord['body'] }]),
  ];
}

function workflow(id: string, word: string): readonly ForgedRecord[] {
  const attributes = { ...of('hostile'), 'tasktrail.workflow.id': id, 'gen_ai.workflow.name': word };
  const at = { phase: word, step: { name: word, status: 'success' } };
  const events: readonly [string, object][] = [
    ['workflow_start', { context: { work_item_id: word } }],
    ['phase_start', { phase: word, steps: [word] }],
    ['step_start', at],
    ['step_complete', at],
    ['phase_complete', { phase: word, status: word }],
    ['workflow_complete', { status: word }],
  ];
  return events.map(([event, body]) => ({
    event: `tasktrail.${event}`,
    attributes,
    body: body as ForgedRecord['body'],
  }));
}

function hostileRecords(): readonly ForgedRecord[] {
  const none = { toString: 1 };
  const models = { a: null, b: 5 };
  const metrics = { cost_usd: 1e300, input_tokens: 1, output_tokens: 1, duration_seconds: 1, models };
  const workflow_ids = [...WORDS, TEXT, '../tasks', ...Array.from({ length: 3_000 }, (_, at) => `wf-${at}`)];
  const named = {
    provider: TEXT,
    model: TEXT,
    assigned_agent: TEXT,
    repo: TEXT,
    command: TEXT,
    trace_id: TRACE,
  };
  const delivery = { event: 'tasktrail.webhook.delivery', attributes: {} };
  return [
    ...hostileTask('hostile', { ...named, workflow_ids }),
    ...hostileTask('counted', {}, { success: false, status: 'failed', result: null, error: TEXT, metrics }),
    output('the first words', { 'tasktrail.agent.output.type': 'output' }),
    output(JSON.stringify({ type: 'image', source: { url: none, media_type: none } }), {
      'tasktrail.agent.output.type': 'system',
    }),
    output(TEXT, {
      'tasktrail.agent.output.type': 'error',
      'tasktrail.agent.output.error_type': none,
    }),
    output('> '.repeat(9_000), { 'tasktrail.agent.output.type': 'output' }),
    output('the last words', { 'tasktrail.agent.output.type': 'output' }),
    ...[...WORDS, TEXT].map((word) => ({
      ...delivery,
      body: { provider: word, outcome: word, reason: word, event_type: word, task_ids: ['hostile'] },
    })),
    ...WORDS.flatMap((word, at) => workflow(`words-${at}`, word)),
  ];
}

/** A row of spans, each below the one before, and one for each word. */
async function sendSpans(otlpUrl: string): Promise<void> {
  const id = (at: number): string => (at + 1).toString(16).padStart(16, '0');
  const nanos = (ms: number): string => `${Date.now() - 60_000 + ms}000000`;
  const attributes = keyValuesFromPlain(of('hostile'));
  const row = Array.from({ length: DEPTH }, (_, at) => ({
    traceId: TRACE,
    spanId: id(at),
    ...(at > 0 && { parentSpanId: id(at - 1) }),
    name: `deep ${at}`,
    kind: 1,
    startTimeUnixNano: nanos(at),
    endTimeUnixNano: nanos(DEPTH),
    attributes,
  }));
  const words = [...WORDS, TEXT].map((word, at) => ({
    traceId: TRACE,
    spanId: id(DEPTH + at),
    name: word,
    kind: 1,
    startTimeUnixNano: nanos(-1),
    endTimeUnixNano: nanos(1),
    attributes: [...attributes, { key: 'gen_ai.operation.name', value: anyValueFromPlain(word) }],
  }));
  for (const spans of [words, row.slice(0, DEPTH / 2), row.slice(DEPTH / 2)]) {
    const { status } = await fetch(`${otlpUrl}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ resourceSpans: [{ resource: {}, scopeSpans: [{ spans }] }] }),
    });
    expect(status).toBe(200);
  }
}

const VIEWS: readonly (readonly [string, string, string])[] = [
  ['/?q=hostile', '.task-row .task-message', 'hostile'],
  ['/tasks/hostile', '.span-row', 'the first words'],
  ['/tasks/counted', '.failure', 'counted'],
  ['/tasks/hostile?view=files', '.files', 'hostile'],
  ['/workflows', '.card .status', '__proto__'],
  ['/workflows/words-0', '.board .phase', 'constructor'],
  ['/workflows/words-1', '.board .phase', '__proto__'],
  ['/deliveries', '.card .status', 'toString'],
  ['/numbers', '.charts rect', 'Tasks'],
];

describe.skipIf(isBrowserMissing)('records of a sender without a token', () => {
  const browser = useBrowser();
  const own = usePageService();
  let isSent = false;
  const send = async (): Promise<void> => {
    if (isSent) return;
    isSent = true;
    const { otlpUrl } = own.service;
    expect(await sendForged(otlpUrl, hostileRecords())).toBe(200);
    await sendSpans(otlpUrl);
    await until(async () => {
      const answer = await fetch(`${own.url}/api/tasks/hostile/trace`);
      return answer.ok && ((await answer.json()) as unknown[]).length > DEPTH;
    }, 'the spans are stored');
  };

  test.each(VIEWS)('leave the view %s whole, and hide nothing in it', async (path, ready, text) => {
    await send();
    const { page } = await browser.tab({ mayFail: true });
    let asked = 0;
    page.on('request', (request) => {
      if (/\/api\/workflows\/[^/]+$/.test(request.url())) asked += 1;
    });
    await page.goto(own.url + path);
    await page.waitForSelector(ready);
    await expect.poll(() => page.locator('main').innerText(), { timeout: 20_000 }).toContain(text);
    const found = (await page.evaluate(`({
      ran: globalThis.__ran,
      own: Object.getOwnPropertyNames(Object.prototype).filter((name) => /^__?[a-z]{0,2}$/.test(name)),
      text: document.title + document.body.innerText +
        [...document.querySelectorAll('[title], [aria-label]')].map((one) => one.title + one.ariaLabel).join(''),
    })`)) as { ran: unknown; own: unknown; text: string };
    expect([found.ran, found.own]).toEqual([undefined, []]);
    expect(/[\u202e\u200b\u00ad\u3164\u{e0041}]/u.exec(found.text)).toBeNull();
    expect(await page.getByText('cannot be shown').count()).toBe(0);
    expect(asked).toBeLessThan(30);
  });
});
