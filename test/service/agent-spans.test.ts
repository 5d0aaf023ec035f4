import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AgentSpans } from '../../src/service/agent-spans.ts';
import { ConfigMemory } from '../../src/store/config-memory.ts';
import { projectDir } from '../support/project-dir.ts';

const fail = (reason: string | undefined): void => expect(reason).toBeUndefined();

test('the time from the first agent to the end of the last is saved, open while one runs', async () => {
  const { cwd } = projectDir();
  const spans = new AgentSpans({ memoryDir: cwd, logDir: cwd }, ['/work'], fail);
  const saved = async (): Promise<unknown> => (await new ConfigMemory(cwd).listRuns())[0]?.runs;
  await spans.agentStarted();
  expect(await saved()).toMatchObject({ directories: ['/work'], spans: [[expect.any(Number), null]] });
  await spans.agentStarted();
  await spans.agentEnded();
  expect(await saved()).toMatchObject({ spans: [[expect.any(Number), null]] });
  await spans.agentEnded();
  expect(await saved()).toMatchObject({ spans: [[expect.any(Number), expect.any(Number)]] });
});

test('many times become few: those that are closest to each other are joined, and none is lost', async () => {
  const { cwd } = projectDir();
  const spans = new AgentSpans({ memoryDir: cwd, logDir: cwd }, ['/work'], fail);
  for (let count = 0; count < 230; count += 1) {
    await spans.agentStarted();
    await spans.agentEnded();
  }
  const [file] = await new ConfigMemory(cwd).listRuns();
  const saved = file?.runs.spans ?? [];
  expect(saved.length).toBeLessThanOrEqual(201);
  expect(saved.every(([from, to]) => to !== null && from <= to)).toBe(true);
});

test('processes that share a place have one file with the times of all', async () => {
  const { cwd } = projectDir();
  const [one, two] = [0, 1].map(
    () => new AgentSpans({ memoryDir: cwd, logDir: cwd }, ['/work'], fail, { isShared: true }),
  );
  await one?.agentStarted();
  await expect.poll(() => Date.now()).toBeGreaterThan(0);
  await new Promise((resolve) => setTimeout(resolve, 2));
  await two?.agentStarted();
  await one?.agentEnded();
  const [file] = await new ConfigMemory(cwd).listRuns();
  expect(file?.runs.spans).toEqual([
    [expect.any(Number), expect.any(Number)],
    [expect.any(Number), null],
  ]);
  expect(readdirSync(join(cwd, '_config'))).toHaveLength(1);
});

test('without agents nothing is written, and a failure does not reject', async () => {
  const { cwd, put } = projectDir();
  const none = new AgentSpans({ memoryDir: cwd, logDir: cwd }, [], fail);
  await none.agentStarted();
  await none.agentEnded();
  expect(readdirSync(cwd)).toEqual([]);
  put('_config', 'a file');
  const reasons: (string | undefined)[] = [];
  const spans = new AgentSpans({ memoryDir: cwd, logDir: cwd }, ['/work'], (reason) => reasons.push(reason));
  await spans.agentStarted();
  expect(reasons).toEqual([expect.any(String)]);
});
