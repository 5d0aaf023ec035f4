import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBarriers, isBrowserMissing, overflowOf, useBrowser } from '../../../../support/browser.ts';
import { ServiceProcess } from '../../../../support/service-process.ts';
import { DEADLINE, until } from '../../../../support/until.ts';

const PHONE = { width: 390, height: 844 };
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const HOSTILE = [
  '<script>window.__ran = 1</script><img src=x onerror="window.__ran = 2"><svg onload="window.__ran = 3"></svg>',
  '[a](javascript:window.__ran=4) [b](data:text/html,x) ![c](https://evil.example/c.png) [d](/tasks) [e](https://example.com)',
  'invoice\u202egnp.exe <style>body{display:none}</style>',
].join('\n\n');

const TERMINAL =
  '\u001b]8;;javascript:window.__ran=5\u0007link\u001b]8;;\u0007 \u001b[31mred\u001b[0m \u001b[8mhidden\u001b[0m <b>b</b>\n';

const block = (type: string, data: string): object => ({
  type: 'image',
  source: { type: 'base64', media_type: type, data },
});

/** What an agent prints in the format of Claude Code. */
function recording(): string {
  const lines: object[] = [{ type: 'system', subtype: 'init', session_id: 's', model: 'm' }];
  const say = (type: string, content: object, parent: string | null = null): void => {
    const message = { id: `m${lines.length}`, role: type, content: [content] };
    lines.push({ type, message, parent_tool_use_id: parent, session_id: 's' });
  };
  const use = (id: string, name: string, input: object, parent: string | null = null): void =>
    say('assistant', { type: 'tool_use', id, name, input }, parent);
  const give = (id: string, content: unknown, isError = false, parent: string | null = null): void =>
    say('user', { type: 'tool_result', tool_use_id: id, content, is_error: isError }, parent);
  say('assistant', { type: 'thinking', thinking: 'I think about it.' });
  say('assistant', { type: 'text', text: HOSTILE });
  use('t1', 'Bash', { command: 'npm test' });
  use('t2', 'Edit', { file_path: 'a.ts', old_string: 'one\ntwo', new_string: 'one\nthree' });
  give('t1', TERMINAL, true);
  give('t2', 'edited');
  use('t3', 'Read', { file_path: 'a.png' });
  give('t3', [block('image/png', PNG), block('image/svg+xml', btoa('<svg onload="window.__ran = 6"/>'))]);
  use('t4', 'Agent', { description: 'count', subagent_type: 'Explore' });
  say('assistant', { type: 'text', text: 'said by the sub-agent' }, 't4');
  give('t4', 'counted');
  use('t5', 'Write', { file_path: 'long.txt', content: 'y'.repeat(60_000) });
  give('t5', `${'z'.repeat(500_000)}the end of it`);
  lines.push({
    type: 'result',
    subtype: 'success',
    is_error: false,
    num_turns: 1,
    result: 'All is done.',
    total_cost_usd: 0.1,
    session_id: 's',
  });
  return `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`;
}

const LINES = 100_000;

/** A long run, as the store writes it. */
function writeLongRun(logs: string): void {
  const dir = join(logs, 'task-long');
  mkdirSync(dir, { recursive: true });
  const at = (n: number): string => new Date(1_767_312_000_000 + n * 10).toISOString();
  const line = (n: number): object => {
    const common = { timestamp: at(n), event_id: `id-${n}` };
    // Its result is some pages below.
    if (n === 50)
      return {
        ...common,
        type: 'tool_call',
        content: '',
        tool_name: 'Far',
        tool_use_id: 'far',
        tool_input: {},
      };
    if (n === 250)
      return { ...common, type: 'tool_result', content: 'came late', tool_use_id: 'far', is_error: false };
    return {
      ...common,
      type: 'output',
      content: n === 77_777 ? 'the needle\n' : `line ${n} ${'x'.repeat(n % 90)}\n`,
    };
  };
  const lines = Array.from({ length: LINES }, (_, n) => JSON.stringify(line(n)));
  writeFileSync(join(dir, '03-agent-output.jsonl'), `${lines.join('\n')}\n`);
  writeFileSync(join(dir, '01-input.json'), JSON.stringify({ message: 'Build it', source_metadata: {} }));
  const metadata = {
    task_id: 'task-long',
    status: 'completed',
    created_at: at(0),
    completed_at: at(LINES),
    settled: true,
  };
  writeFileSync(
    join(dir, 'metadata.json'),
    JSON.stringify({ ...metadata, started_at: at(0), attempt: 1, workflow_ids: [], schema_version: 1 }),
  );
}

const isAt = (page: Page, end: 'top' | 'bottom'): Promise<boolean> =>
  page.evaluate(
    end === 'top'
      ? 'scrollY === 0'
      : 'Math.abs(document.documentElement.scrollHeight - innerHeight - scrollY) < 4',
  );

describe.skipIf(isBrowserMissing)('the transcript in a browser', () => {
  const browser = useBrowser();
  let cwd = '';
  let service: ServiceProcess | undefined;
  let recorded = '';
  const url = (): string => service?.url ?? '';
  const submit = async (agent: string): Promise<string> => {
    const answer = await fetch(`${url()}/api/tasks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ message: '**Do** it', agent }),
    });
    return ((await answer.json()) as { readonly task_ids: readonly string[] }).task_ids[0] ?? '';
  };
  const statusOf = async (id: string): Promise<unknown> =>
    ((await (await fetch(`${url()}/api/tasks/${id}`)).json()) as { readonly status: unknown }).status;

  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'tasktrail-transcript-'));
    writeFileSync(join(cwd, 'recording.jsonl'), recording());
    const script = 'i=0; while [ ! -e go ]; do i=$((i+1)); echo "line $i"; sleep 0.05; done; echo last';
    writeFileSync(
      join(cwd, 'tasktrail.config.json'),
      JSON.stringify({
        agents: {
          recorded: { command: ['cat', join(cwd, 'recording.jsonl')] },
          live: { command: ['sh', '-c', script] },
        },
      }),
    );
    writeLongRun(join(cwd, 'logs'));
    service = await ServiceProcess.start({ cwd });
    recorded = await submit('recorded');
    await until(async () => (await statusOf(recorded)) === 'completed', 'the recorded run');
  }, 120_000);

  afterAll(async () => {
    await service?.stop();
    await rm(cwd, { recursive: true, force: true, maxRetries: 5 });
  });

  test('hostile output stays text: no markup of its own, no links but of the web, no pictures but known ones', async () => {
    const { page } = await browser.tab();
    await page.goto(`${url()}/tasks/${recorded}`);
    await page.getByText('All is done.').waitFor();
    await page.locator('.markdown.is-rendered').first().waitFor();
    const text = await page.locator('.transcript').innerText();
    expect(text).toContain('<script>window.__ran = 1</script>');
    expect(text).toContain('invoice⟦U+202E⟧gnp.exe');
    expect(text).toContain('link red hidden <b>b</b>');
    const links = await page
      .locator('.markdown a[href]')
      .evaluateAll((all) => all.map((one) => one.outerHTML));
    expect(links).toEqual([
      expect.stringMatching(/^<a href="https:\/\/example\.com".* rel="noopener noreferrer nofollow"/),
    ]);
    expect(await page.locator('.output-lines :is(script, iframe, style, form, b)').count()).toBe(0);
    expect(
      await page.locator('.output-lines img').evaluateAll((all) => all.map((one) => one.getAttribute('src'))),
    ).toEqual([expect.stringMatching(/^blob:/)]);
    expect(text).toContain('image/svg+xml, which is not shown');
    expect(await page.evaluate('window.__ran')).toBeUndefined();
  });

  test('a call and its result are one row, failed ones are open, edits are diffs, sub-agents are nested', async () => {
    const { page } = await browser.tab();
    await page.goto(`${url()}/tasks/${recorded}`);
    const failed = page.locator('.tool.is-failed');
    await failed.waitFor();
    expect(await failed.count()).toBe(1);
    expect(await failed.innerText()).toMatch(/Bash\s+npm test\s+failed/);
    expect(await failed.locator('.ansi-red').innerText()).toBe('red');
    expect(await page.locator('.diff-removed').innerText()).toContain('two');
    expect(await page.locator('.diff-added').first().innerText()).toContain('three');
    expect(await page.locator('.sub-agent').innerText()).toMatch(
      /Sub-agent Explore: count[\s\S]*said by the sub-agent/,
    );
    await page.locator('.sub-agent-head').click();
    await page.getByText('said by the sub-agent').waitFor({ state: 'detached' });
    expect(await page.getByText('I think about it.').count()).toBe(1);
    await page.getByRole('button', { name: /^Thinking/ }).click();
    await expect.poll(() => page.getByText('I think about it.').count(), DEADLINE).toBe(2);
  });

  test('a long text is cut, and all of it is shown on demand', async () => {
    const { page } = await browser.tab();
    await page.goto(`${url()}/tasks/${recorded}`);
    await page.getByRole('button', { name: /^Write/ }).click();
    const all = page.getByRole('button', { name: 'Show all (500 kB)' });
    expect(await page.getByText('the end of it').count()).toBe(0);
    await all.click();
    await page.getByText('the end of it').waitFor({ state: 'attached' });
    await page.getByRole('button', { name: 'Show all of the input' }).click();
    const row = page.locator('.tool', { hasText: 'long.txt' });
    await expect
      .poll(() => row.evaluate((one) => one.textContent?.length ?? 0), DEADLINE)
      .toBeGreaterThan(560_000);
  });

  test('it fits a phone, and axe finds nothing in it, light and dark', async () => {
    const { page } = await browser.tab({ bypassCSP: true, reducedMotion: 'reduce', viewport: PHONE });
    await page.goto(`${url()}/tasks/${recorded}`);
    await page.getByText('All is done.').waitFor();
    expect(await overflowOf(page)).toBeLessThanOrEqual(0);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await findBarriers(page), colorScheme).toEqual([]);
    }
  });

  test('both ends of a long run are one key away, and only what is seen is in the page', async () => {
    const { page } = await browser.tab({ viewport: { width: 1200, height: 800 } });
    await page.goto(`${url()}/tasks/task-long`);
    await page.locator('[data-line="1"]').waitFor();
    await page.keyboard.press('End');
    await page.locator(`[data-line="${LINES - 1}"]`).waitFor();
    await expect.poll(() => isAt(page, 'bottom'), DEADLINE).toBe(true);
    await page.keyboard.press('Home');
    await page.locator('[data-line="1"]').waitFor();
    expect(await isAt(page, 'top')).toBe(true);
    for (let step = 1; step <= 20; step += 1) {
      await page.evaluate(`scrollTo(0, document.documentElement.scrollHeight * ${step / 20})`);
      await page.locator('.output-page .line').first().waitFor();
    }
    expect(await page.locator('[data-line]').count()).toBeLessThan(1_500);
  });

  test('a link leads to its line by number and by id, and the time of a line is its link', async () => {
    const { page } = await browser.tab({ mayFail: true });
    const target = page.locator('.is-target');
    await page.goto(`${url()}/tasks/task-long#line-77778`);
    await target.waitFor();
    expect(await target.innerText()).toContain('the needle');
    await page.goto(`${url()}/tasks/task-long#id-99999`);
    await expect.poll(() => target.innerText(), DEADLINE).toContain('line 99999');
    const before = await page.evaluate('scrollY');
    const line = page.locator('[data-line="99990"]');
    await line.hover();
    await line.locator('.line-time').click();
    await expect.poll(() => page.url(), DEADLINE).toMatch(/#id-99990$/);
    expect(await page.evaluate('scrollY')).toBe(before);
    await page.goto(`${url()}/tasks/task-long#no-such-id`);
    await page.getByText('This run has no such line.').waitFor();
  });

  test('a result some pages below stands in the row of its call, and a link to it leads there', async () => {
    const { page } = await browser.tab();
    await page.goto(`${url()}/tasks/task-long`);
    const row = page.locator('.tool', { hasText: 'Far' });
    await expect.poll(() => row.innerText(), DEADLINE).toContain('2.0 s');
    await page.goto(`${url()}/tasks/task-long#line-251`);
    await expect.poll(() => row.innerText(), DEADLINE).toMatch(/2\.0 s[\s\S]*came late/);
    expect(await page.locator('.is-target').innerText()).toContain('Far');
  });

  test('the search finds a word in the whole output, by keyboard', async () => {
    const { page } = await browser.tab();
    await page.goto(`${url()}/tasks/task-long`);
    await page.locator('[data-line="1"]').waitFor();
    await page.keyboard.press('Control+f');
    await page.keyboard.type('The NEEDLE');
    await page.getByText('1 line', { exact: true }).waitFor();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('.is-target').innerText(), DEADLINE).toContain('the needle');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('.output-search-count').count(), DEADLINE).toBe(0);
  });

  test('a run that goes on is followed until the reader scrolls up, and again from the end on', async () => {
    const id = await submit('live');
    const { page } = await browser.tab({ viewport: { width: 1200, height: 500 } });
    await page.goto(`${url()}/tasks/${id}`);
    await page.getByText('line 60', { exact: true }).waitFor();
    expect(await isAt(page, 'bottom')).toBe(true);
    await page.mouse.move(600, 300);
    await page.mouse.wheel(0, -300);
    const pause = page.getByRole('button', { name: 'Follow', exact: true });
    await pause.waitFor();
    await page.getByText('line 120', { exact: true }).waitFor({ state: 'attached' });
    expect(await isAt(page, 'bottom')).toBe(false);
    await page.keyboard.press('End');
    await page.getByRole('button', { name: 'Following' }).waitFor();
    writeFileSync(join(cwd, 'go'), '');
    await page.getByText('last', { exact: true }).waitFor();
    await expect.poll(() => isAt(page, 'bottom'), DEADLINE).toBe(true);
  });
});
