import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBarriers, isBrowserMissing, overflowOf, useBrowser } from '../../../support/browser.ts';
import { freePort } from '../../../support/free-port.ts';
import { ServerProcess } from '../../../support/server-process.ts';
import { firstTaskId, ServiceProcess } from '../../../support/service-process.ts';
import { findTool, pathOf } from '../../../support/tool.ts';
import { DEADLINE, until } from '../../../support/until.ts';

const nginx = findTool('nginx');

const START = Date.parse('2026-01-02T03:04:05.000Z');
const WIDE = { width: 1_400, height: 800 };

interface SpanOf {
  readonly id: string;
  readonly parent?: string;
  readonly name: string;
  /** Seconds. */
  readonly time: readonly [number, number];
  readonly attempt?: number;
  readonly call?: string;
  readonly kind?: number;
}

/** A line of `trace.jsonl`. */
function spanLine({ id, parent, name, time, attempt, call, kind = 1 }: SpanOf): string {
  const nano = (seconds: number): string => `${START + seconds * 1_000}000000`;
  const text = (key: string, value: string): object => ({ key, value: { stringValue: value } });
  const attributes = [
    ...(attempt === undefined
      ? []
      : [{ key: 'tasktrail.task.attempt', value: { intValue: String(attempt) } }]),
    ...(call === undefined
      ? []
      : [text('gen_ai.operation.name', 'execute_tool'), text('gen_ai.tool.call.id', call)]),
  ];
  const span = {
    traceId: 'a'.repeat(32),
    spanId: id.padEnd(16, '0'),
    ...(parent !== undefined && { parentSpanId: parent.padEnd(16, '0') }),
    name,
    kind,
    startTimeUnixNano: nano(time[0]),
    endTimeUnixNano: nano(time[1]),
    attributes,
  };
  return JSON.stringify({ resourceSpans: [{ resource: {}, scopeSpans: [{ scope: {}, spans: [span] }] }] });
}

interface TaskOf {
  readonly id: string;
  readonly lines: readonly (object | string)[];
  readonly spans?: readonly SpanOf[];
}

/** A settled task, as the store writes it. */
function writeTask(logs: string, { id, lines, spans = [] }: TaskOf): void {
  const dir = join(logs, id);
  mkdirSync(dir, { recursive: true });
  const at = (seconds: number): string => new Date(START + seconds * 1_000).toISOString();
  const texts = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  writeFileSync(join(dir, '03-agent-output.jsonl'), `${texts.join('\n')}\n`);
  writeFileSync(join(dir, 'trace.jsonl'), spans.map((span) => `${spanLine(span)}\n`).join(''));
  writeFileSync(join(dir, '01-input.json'), JSON.stringify({ message: 'Do it', source_metadata: {} }));
  const times = { created_at: at(0), started_at: at(0), completed_at: at(60) };
  const state = { task_id: id, status: 'completed', settled: true, attempt: 2, schema_version: 1 };
  writeFileSync(join(dir, 'metadata.json'), JSON.stringify({ ...state, ...times, workflow_ids: [] }));
}

/** A line at a second, from 0 on. */
const line = (second: number, more: object): object => ({
  timestamp: new Date(START + second * 1_000).toISOString(),
  event_id: `id-${second}`,
  type: 'output',
  content: `line ${second}\n`,
  ...more,
});
const call = (id: string, command: string): object => ({
  type: 'tool_call',
  content: '',
  tool_name: 'Bash',
  tool_use_id: id,
  tool_input: { command },
});
const result = (id: string, content: string): object => ({
  type: 'tool_result',
  content,
  tool_use_id: id,
  is_error: false,
});

/** Two attempts that use the same id, as an agent does that counts its calls, with many lines between. */
const LANES: TaskOf = {
  id: 'task-lanes',
  lines: [
    line(0, { ...call('item_1', 'echo first'), attempt: 1 }),
    line(1, { ...result('item_1', 'first result'), attempt: 1 }),
    ...Array.from({ length: 2_000 }, (_, n) => line(2 + n / 1_000, { attempt: 1, event_id: `p-${n}` })),
    line(30, { ...call('item_1', 'echo second'), attempt: 2 }),
    line(33, { ...result('item_1', 'second result'), attempt: 2 }),
    line(34, { attempt: 2, content: 'a message of the agent' }),
  ],
  spans: [
    { id: '01', name: 'send agent', time: [0, 0.001], kind: 4 },
    { id: '11', parent: '01', name: 'process agent', time: [0, 20], attempt: 1, kind: 5 },
    { id: '12', parent: '11', name: 'execute_tool Bash', time: [0, 1], attempt: 1, call: 'item_1' },
    { id: '21', parent: '01', name: 'process agent', time: [25, 40], attempt: 2, kind: 5 },
    { id: '22', parent: '21', name: 'step run', time: [26, 39], attempt: 2 },
    { id: '23', parent: '22', name: 'execute_tool Bash', time: [30, 33], attempt: 2, call: 'item_1' },
  ],
};

/** Halves of a call that are some thousand lines apart, and damaged lines between. */
const FAR: TaskOf = {
  id: 'task-far',
  lines: [
    line(0, { ...call('far', 'sleep 1'), tool_name: 'Agent', tool_input: { description: 'look around' } }),
    'damaged',
    '',
    'damaged',
    ...Array.from({ length: 4_000 }, (_, n) => line(4 + n, {})),
    line(4_004, { parent_tool_use_id: 'far', type: 'output', content: 'said by the sub-agent' }),
    line(4_005, result('far', 'came late')),
  ],
};

const ESC = '\u001b';
const HOSTILE = [
  '<script>window.__ran = 1</script><img src=x onerror="window.__ran = 2">',
  '[click](javascript:window.__ran=3) <a href="javascript:window.__ran=4">me</a>',
  'invoice\u202egnp.exe \u2066hidden\u2069',
  `${ESC}[2J${ESC}[1;1H${ESC}[8mconcealed${ESC}[0m ${ESC}]8;;http://evil.example/${ESC}\\a link${ESC}]8;;${ESC}\\ ${ESC}]0;title\u0007 ${ESC}[38;2;1;2;3mdark`,
  'progress 1\rprogress 2',
].join('\n');

/** A picture that is a script, and a line of ten megabytes. */
function hostileOutput(): string {
  const say = (type: string, content: object): object => ({
    type,
    message: { id: 'm', role: type, content: [content] },
    session_id: 's',
  });
  const svg = btoa(
    '<svg xmlns="http://www.w3.org/2000/svg" onload="window.__ran = 5"><script>window.__ran = 6</script></svg>',
  );
  const picture = { type: 'image', source: { type: 'base64', media_type: 'image/svg+xml', data: svg } };
  const lines = [
    { type: 'system', subtype: 'init', session_id: 's', model: 'm' },
    say('assistant', { type: 'text', text: HOSTILE }),
    say('assistant', {
      type: 'tool_use',
      id: 't1',
      name: 'Bash</span><script>',
      input: { command: HOSTILE },
    }),
    say('user', { type: 'tool_result', tool_use_id: 't1', content: HOSTILE, is_error: true }),
    say('assistant', { type: 'tool_use', id: 't2', name: 'Read', input: { file_path: 'a.svg' } }),
    say('user', { type: 'tool_result', tool_use_id: 't2', content: [picture] }),
    say('assistant', { type: 'tool_use', id: 't3', name: 'Bash', input: { command: 'cat large' } }),
    say('user', {
      type: 'tool_result',
      tool_use_id: 't3',
      content: `<b>${'w'.repeat(10_000_000)}`,
      is_error: true,
    }),
    {
      type: 'result',
      subtype: 'success',
      is_error: false,
      result: 'The end.',
      total_cost_usd: 0.1,
      session_id: 's',
    },
  ];
  return `${lines.map((one) => JSON.stringify(one)).join('\n')}\n`;
}

describe.skipIf(isBrowserMissing)('the view of a run in a browser', () => {
  const browser = useBrowser();
  let cwd = '';
  let port = '';
  let service: ServiceProcess | undefined;
  const url = (): string => `http://127.0.0.1:${port}`;
  const start = async (): Promise<void> => {
    service = await ServiceProcess.start({ cwd, env: { PORT: port } });
  };
  const submit = async (agent: string): Promise<string> =>
    firstTaskId(await (await service?.submit({ agent, message: 'Do it' }))?.json());

  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'tasktrail-run-view-'));
    port = String(await freePort());
    writeFileSync(join(cwd, 'hostile.jsonl'), hostileOutput());
    const count = 'i=0; while [ ! -e $0 ]; do i=$((i+1)); echo "line $i"; sleep 0.1; done; echo last';
    const agents = {
      hostile: { command: ['cat', join(cwd, 'hostile.jsonl')] },
      restarted: { command: ['sh', '-c', count, 'end-restarted'] },
      proxied: { command: ['sh', '-c', count, 'end-proxied'] },
    };
    writeFileSync(join(cwd, 'tasktrail.config.json'), JSON.stringify({ agents }));
    for (const task of [LANES, FAR]) writeTask(join(cwd, 'logs'), task);
    await start();
  }, 120_000);

  afterAll(async () => {
    await service?.stop();
    await rm(cwd, { recursive: true, force: true, maxRetries: 5 });
  });

  test('each attempt is a lane with its steps and tools, and folds', async () => {
    const { page } = await browser.tab({ viewport: WIDE });
    await page.goto(`${url()}/tasks/task-lanes`);
    const labels = page.locator('.span-row .span-label');
    await expect
      .poll(() => labels.allInnerTexts(), DEADLINE)
      .toEqual(['agent', 'Attempt 1', 'Bash', 'Attempt 2', 'run', 'Bash']);
    expect(await page.locator('.span-attempt-lane').count()).toBe(2);
    await page.getByRole('button', { name: 'close attempt 1' }).click();
    await expect
      .poll(() => labels.allInnerTexts(), DEADLINE)
      .toEqual(['agent', 'Attempt 1', 'Attempt 2', 'run', 'Bash']);
  });

  test('a span that is chosen shows the line of its call, by its time where the id comes twice, and back', async () => {
    const { page } = await browser.tab({ viewport: WIDE });
    await page.goto(`${url()}/tasks/task-lanes`);
    const tools = page.locator('.span-row.span-tool');
    await tools.nth(1).click();
    const target = page.locator('.is-target');
    await expect.poll(() => target.innerText(), DEADLINE).toContain('echo second');
    expect(await page.locator('.span-details').innerText()).toContain('item_1');
    await tools.nth(0).click();
    await expect.poll(() => target.innerText(), DEADLINE).toContain('echo first');
    // Back: a call that is opened in the transcript chooses its span.
    await page.keyboard.press('End');
    await page.getByRole('button', { name: /echo second/ }).click();
    await expect.poll(() => tools.nth(1).getAttribute('aria-selected'), DEADLINE).toBe('true');
    expect(await tools.nth(0).getAttribute('aria-selected')).toBe('false');
    // By keyboard.
    await page.locator('.timeline-rows').focus();
    await page.keyboard.press('ArrowUp');
    await expect
      .poll(() => page.locator('.span-row[aria-selected="true"]').innerText(), DEADLINE)
      .toContain('run');
  });

  test('a span under the pointer marks its lines, a call under the pointer or with the focus marks its span', async () => {
    const { page } = await browser.tab({ viewport: WIDE });
    await page.goto(`${url()}/tasks/task-lanes`);
    const tools = page.locator('.span-row.span-tool');
    const marked = page.locator('[data-pointed]');
    const calls = page.locator('.tool > .fold-head');
    await calls.first().waitFor();
    await tools.nth(0).hover();
    await expect
      .poll(() => marked.allInnerTexts(), DEADLINE)
      .toEqual([expect.stringContaining('echo first')]);
    await tools.nth(1).hover();
    await expect.poll(() => marked.count(), DEADLINE).toBe(0);
    await calls.first().hover();
    await expect.poll(() => tools.nth(0).getAttribute('class'), DEADLINE).toContain('is-pointed');
    expect(await tools.nth(1).getAttribute('class')).not.toContain('is-pointed');
    await page.locator('h1').hover();
    await expect.poll(() => page.locator('.span-row.is-pointed').count(), DEADLINE).toBe(0);
    await calls.first().focus();
    await expect.poll(() => tools.nth(0).getAttribute('class'), DEADLINE).toContain('is-pointed');
    // A step has no call: its lines are those of its time.
    await page.keyboard.press('End');
    await page.getByText('a message of the agent').waitFor();
    await page.locator('.span-row.span-step').hover();
    await expect
      .poll(() => marked.allInnerTexts(), DEADLINE)
      .toEqual([expect.stringContaining('echo second'), expect.stringContaining('a message of the agent')]);
  });

  test('a call finds its result some thousand lines below, a sub-agent and a result find their call above', async () => {
    const { page } = await browser.tab({ viewport: WIDE });
    await page.goto(`${url()}/tasks/task-far`);
    const head = page.locator('.tool > .fold-head').first();
    // From the first second of the run to its last one.
    await expect.poll(() => head.innerText(), DEADLINE).toMatch(/Agent[\s\S]*1 h 6 m/);
    await page.goto(`${url()}/tasks/task-far#id-4004`);
    await page.getByText('Sub-agent look around').waitFor();
    await page.getByText('goes on from line 1', { exact: true }).waitFor();
    expect(await page.locator('.sub-agent').innerText()).toContain('said by the sub-agent');
    expect(await page.locator('.output-lines').innerText()).not.toContain('came late');
  });

  test('a line behind damaged ones has the number that it has in the file', async () => {
    const { page } = await browser.tab({ viewport: WIDE });
    await page.goto(`${url()}/tasks/task-far#line-5`);
    await expect.poll(() => page.locator('.is-target').innerText(), DEADLINE).toMatch(/line 4$/);
    expect(await page.locator('.is-target .line-time').getAttribute('title')).toMatch(/^line 5,/);
    await page.keyboard.press('/');
    await page.keyboard.type('line 99');
    await page.keyboard.press('Enter');
    await page
      .getByText(/^\d+ lines$/)
      .first()
      .waitFor();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('.is-target').innerText(), DEADLINE).toMatch(/line 99$/);
  });

  test('hostile output does nothing, in the page and in the file of the run', async () => {
    const id = await submit('hostile');
    const { page } = await browser.tab({ viewport: WIDE });
    await page.goto(`${url()}/tasks/${id}`);
    await page.getByText('The end.').first().waitFor();
    await page.locator('.markdown.is-rendered').first().waitFor();
    await expect
      .poll(() => page.locator('.output-lines').innerText(), DEADLINE)
      .toContain('which is not shown');
    const text = await page.locator('.transcript').innerText();
    expect(text).toContain('<script>window.__ran = 1</script><img src=x');
    expect(text).toContain('invoice⟦U+202E⟧gnp.exe ⟦U+2066⟧hidden⟦U+2069⟧');
    expect(text).toContain('concealed a link  dark');
    expect(text).toContain('⟦1 overwritten⟧ progress 2');
    expect(text).toContain('Bash</span><script>');
    expect(text).toContain('Show all (1.0 MB)');
    const own = page.locator('.output-lines');
    expect(await own.locator('script, iframe, img, svg[onload], form, style, b').count()).toBe(0);
    // Links of the page itself lead to its lines.
    const links = await own
      .locator('a')
      .evaluateAll((all) => all.map((one) => one.getAttribute('href') ?? ''));
    expect(links.filter((href) => href !== '' && !href.startsWith(`/tasks/${id}#`))).toEqual([]);
    expect(await overflowOf(page)).toBeLessThanOrEqual(0);
    expect(await page.evaluate('window.__ran')).toBeUndefined();
    const file = join(cwd, 'run.html');
    await writeFile(file, await (await fetch(`${url()}/tasks/${id}/export`)).text());
    // Without its policy: the text itself must be harmless.
    const open = await browser.tab({ offline: true, bypassCSP: true });
    await open.page.goto(`file://${file}`);
    await open.page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true');
    const whole = await open.page.locator('main').innerText();
    expect(whole).toContain('<script>window.__ran = 1</script><img src=x');
    expect(whole).toContain('invoice[U+202E]gnp.exe [U+2066]hidden[U+2069]');
    expect(whole).toContain('concealed a link');
    expect(await open.page.locator('script, iframe, img, svg, form, b, a, base').count()).toBe(0);
    expect(await open.page.evaluate('window.__ran')).toBeUndefined();
  });

  test('an open run goes on after a restart of the service, without a reload', async () => {
    const id = await submit('restarted');
    const { page } = await browser.tab({ viewport: WIDE, mayFail: true });
    await page.goto(`${url()}/tasks/${id}`);
    await page.getByText('line 3', { exact: true }).waitFor({ state: 'attached' });
    await page.evaluate('window.__same = true');
    const lost = page.waitForSelector('.live-lost');
    await service?.stop('SIGKILL');
    await lost;
    await start();
    await page.waitForSelector('.live-open');
    await writeFile(join(cwd, 'end-restarted'), '');
    await page.getByText('last', { exact: true }).waitFor();
    await page.waitForSelector('.run-title .status-completed');
    // None was lost, and none is there twice.
    const lines = await page.locator('.terminal .plain').allInnerTexts();
    const numbers = lines.flatMap((one) => /^line (\d+)$/.exec(one)?.[1] ?? []).map(Number);
    expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + at));
    await expect.poll(() => page.locator('.span-attempt-lane').count(), DEADLINE).toBe(2);
    expect(await page.evaluate('window.__same')).toBe(true);
  });

  test.skipIf('missing' in nginx)('behind nginx with its defaults a run stays live', async () => {
    const proxyPort = await freePort();
    const dir = join(cwd, 'nginx');
    await mkdir(dir, { mode: 0o777 });
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${dir}/${name};`,
    );
    const server = `server { listen 127.0.0.1:${proxyPort}; location / { proxy_pass ${url()}; } }`;
    const around = ['daemon off;', `pid ${dir}/pid;`, `error_log ${dir}/error.log;`, 'events {}'];
    const path = join(dir, 'nginx.conf');
    await writeFile(path, [...around, 'http {', 'access_log off;', ...temp, server, '}'].join('\n'));
    const proxied = `http://127.0.0.1:${proxyPort}`;
    const isReady = async (): Promise<boolean> =>
      (await fetch(proxied).catch(() => undefined))?.status === 200;
    const proxy = await ServerProcess.start({
      name: 'nginx',
      command: pathOf(nginx),
      args: ['-c', path, '-p', dir],
      isReady,
    });
    try {
      const id = await submit('proxied');
      const { page } = await browser.tab({ viewport: WIDE });
      await page.goto(`${proxied}/tasks/${id}`);
      await page.waitForSelector('.live-open');
      await page.getByText('line 5', { exact: true }).waitFor({ state: 'attached' });
      const shown = async (): Promise<number> => page.locator('.terminal .plain').count();
      const before = await shown();
      await until(async () => (await shown()) > before + 3, 'more lines while the run goes on');
      expect(await page.locator('.run-title .status-running').count()).toBe(1);
      await writeFile(join(cwd, 'end-proxied'), '');
      await page.getByText('last', { exact: true }).waitFor();
      await page.waitForSelector('.run-title .status-completed');
      // Its stream is open until the lines have settled.
      await page.close();
    } finally {
      await proxy.stop();
    }
  });

  test('axe finds nothing in lanes and in a chosen span, light and dark', async () => {
    const { page } = await browser.tab({ viewport: WIDE, bypassCSP: true, reducedMotion: 'reduce' });
    await page.goto(`${url()}/tasks/task-lanes`);
    await page.locator('.span-row.span-tool').first().click();
    await page.locator('.is-target').waitFor();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await findBarriers(page), colorScheme).toEqual([]);
    }
  });
});
