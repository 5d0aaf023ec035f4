import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterTest } from './current-test.ts';
import { freeAddress } from './free-port.ts';
import { ServerProcess } from './server-process.ts';
import { findTool, pathOf } from './tool.ts';

const TEMPLATE: string = resolve(import.meta.dirname, '../../collector/scale/balancer.conf.template');

export interface ScaleBalancerOptions {
  /** Addresses as host:port. */
  readonly serve: readonly string[];
  readonly receivers: readonly string[];
  readonly gateways: readonly string[];
  /** TASK_LOGS_API_TOKEN of the container. */
  readonly token: string;
  /** Default: the file of the repository. */
  readonly template?: string;
  /** Address of the door for OTLP, when it is to be known before. */
  readonly otlp?: string;
}

/** The addresses of the three doors. */
export interface ScaleBalancer {
  readonly page: string;
  readonly otlp: string;
  readonly gateway: string;
}

/** nginx with the template of the balancer, as its image fills it in. Ends with the test. */
export async function startScaleBalancer(options: ScaleBalancerOptions): Promise<ScaleBalancer> {
  const { serve, receivers, gateways, token, template = TEMPLATE } = options;
  const directory = await mkdtemp(join(tmpdir(), 'tasktrail-balancer-'));
  // Started by root, nginx works as another user, who writes long bodies to files in it.
  await chmod(directory, 0o755);
  const [page, otlp, gateway] = [
    await freeAddress(),
    options.otlp ?? (await freeAddress()),
    await freeAddress(),
  ];
  const servers = (addresses: readonly string[]): string =>
    addresses.map((address) => `server ${address} max_fails=1 fail_timeout=5s;`).join('\n');
  const text = readFileSync(template, 'utf8')
    .replaceAll('$' + '{TASK_LOGS_API_TOKEN}', token)
    .replace(/server serve:8000 .*/, servers(serve))
    .replace(/server serve:4320 .*/, servers(receivers))
    .replace(/server gateway-1:4318 .*\n\s*server gateway-2:4318 .*/, servers(gateways))
    .replace('listen 8000', `listen ${page}`)
    .replace('listen 4320', `listen ${otlp}`)
    .replace('listen 4318', `listen ${gateway}`)
    .replaceAll('/tmp/', `${directory}/`);
  const path = join(directory, 'nginx.conf');
  await writeFile(path, text);
  const server = await ServerProcess.start({
    ...{ name: 'balancer', command: pathOf(findTool('nginx')), directory },
    args: ['-c', path, '-p', directory],
    isReady: async () => (await fetch(`http://${otlp}/`)).status === 404,
  });
  afterTest(() => server.stop());
  return { page: `http://${page}`, otlp: `http://${otlp}`, gateway: `http://${gateway}` };
}
