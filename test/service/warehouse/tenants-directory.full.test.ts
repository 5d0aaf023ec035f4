import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startBalancer } from '../../support/balancer.ts';
import { MAIN } from '../../support/built.ts';
import { afterTest } from '../../support/current-test.ts';
import { tempDir } from '../../support/log-dir.ts';
import { serviceEnv } from '../../support/service-process.ts';
import { get, MARKER, serveTenant, type TenantService } from '../../support/tenants.ts';
import { until } from '../../support/until.ts';
import { findVictoriaLogs, startVictoriaLogs, type VictoriaLogsServer } from '../../support/victoria-logs.ts';

const tool = findVictoriaLogs();

const runFile = promisify(execFile);

describe.skipIf('missing' in tool)('two tenants with the same TASK_LOGS_DIR and endpoint', () => {
  let server: VictoriaLogsServer;

  beforeAll(async () => {
    server = await startVictoriaLogs(tool);
  });
  afterAll(() => server.stop());

  test('what waits in the directory is sent by processes of its own tenant', async () => {
    const [one, other] = [await serveTenant(server, '51'), await serveTenant(server, '52')];
    // One address for both: the token decides, as behind a balancer. At first no service is there.
    let behind: readonly string[] = [];
    const endpoint = await startBalancer(() => behind);
    afterTest(() => endpoint.close());
    const cwd = await tempDir();
    const dir = join(cwd, 'logs');
    const command = async ({ env }: TenantService, ...args: readonly string[]): Promise<void> => {
      const own = {
        ...{ ...env, TASK_LOGS_DIR: dir, TASK_LOGS_STORE: 'false' },
        ...{ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.url, OTEL_EXPORTER_OTLP_TIMEOUT: '2000' },
      };
      await runFile(process.execPath, [MAIN, ...args], { cwd, env: serviceEnv({ cwd, env: own }) }).catch(
        // What could not be sent is an exit code of its own.
        (error: unknown) => error,
      );
    };
    await command(one, 'run', '--source', 'of-one', '--', 'echo', MARKER);
    // Beside it only what the configuration files were.
    expect((await readdir(dir)).filter((name) => name !== '_config')).toEqual(['_tenants']);
    expect(await readdir(join(dir, '_tenants', '51-0'))).toContain('_journal');
    behind = [other.service.otlpUrl];
    await command(other, 'send');
    await command(other, 'run', '--source', 'of-other', '--', 'echo', 'hello');
    const sourcesOf = async (at: TenantService): Promise<readonly unknown[]> => {
      await server.flush();
      const { items } = JSON.parse((await get(at, '/api/tasks')).text) as { items: { source: string }[] };
      return items.map(({ source }) => source);
    };
    await until(async () => (await sourcesOf(other)).includes('of-other'), 'its own', 30_000);
    expect(await sourcesOf(other)).toEqual(['of-other']);
    behind = [one.service.otlpUrl];
    await command(one, 'send');
    await until(async () => (await sourcesOf(one)).includes('of-one'), 'its own', 30_000);
    expect([await sourcesOf(one), await sourcesOf(other)]).toEqual([['of-one'], ['of-other']]);
  }, 120_000);
});
