import { hostname } from 'node:os';
import { afterEach, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { resourceOf } from '../../src/trail/resource.ts';

afterEach(() => void vi.unstubAllEnvs());

const config = loadConfig({ env: { OTEL_SERVICE_NAME: 'mine' }, cwd: '/' });

test('the resource names service, project, environment, host and process, and no command line', () => {
  const { attributes } = resourceOf(config);
  expect(attributes).toMatchObject({
    'service.name': 'mine',
    'tasktrail.project': config.project,
    'deployment.environment.name': config.environment,
    'host.name': hostname(),
    'process.pid': process.pid,
  });
  expect(JSON.stringify(attributes)).not.toContain(process.argv[1]);
});

test('OTEL_RESOURCE_ATTRIBUTES adds attributes, but does not replace ours', () => {
  vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'team=checkout,service.name=other');
  const { attributes } = resourceOf(config);
  expect(attributes).toMatchObject({ team: 'checkout', 'service.name': 'mine' });
});

test('the task id and attempt that an agent inherits are not attributes of its own records', () => {
  vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'tasktrail.task.id=task-1,tasktrail.task.attempt=2,team=checkout');
  const { attributes } = resourceOf(config);
  expect(Object.keys(attributes).filter((name) => name.startsWith('tasktrail.task.'))).toEqual([]);
  expect(attributes).toMatchObject({ team: 'checkout' });
});
