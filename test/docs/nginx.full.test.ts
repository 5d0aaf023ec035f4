import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeCertificate } from '../doctor/certificate.ts';
import { comment, sign } from '../support/deliveries.ts';
import { freePort } from '../support/free-port.ts';
import { ServerProcess } from '../support/server-process.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { findTool, pathOf } from '../support/tool.ts';
import { readPages } from './markdown.ts';

const nginx = findTool('nginx');
const TOKEN = '0123456789abcdef';
const PAGE = readPages().find(({ path }) => path === 'docs/getting-started.md');

describe.skipIf('missing' in nginx)('the nginx block of docs/getting-started.md', () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tasktrail-nginx-'));
    // The workers of nginx run as another user.
    for (const name of ['temp', 'logs']) await mkdir(join(dir, name), { mode: 0o777 });
  });

  afterEach(() => rm(dir, { recursive: true, force: true }));

  /** Writes a minimal configuration around the block, with ports and a certificate of the test. */
  async function writeConfig(ports: { readonly own: number; readonly service: string }): Promise<string> {
    const block = PAGE?.blocks.find(({ language }) => language === 'nginx')?.text ?? '';
    const { cert, key } = makeCertificate();
    await writeFile(join(dir, 'cert.pem'), cert);
    await writeFile(join(dir, 'key.pem'), key);
    const server = block
      .replace('listen 443 ssl', `listen 127.0.0.1:${ports.own} ssl`)
      .replace(/ssl_certificate .*;/, `ssl_certificate ${dir}/cert.pem;`)
      .replace(/ssl_certificate_key .*;/, `ssl_certificate_key ${dir}/key.pem;`)
      .replaceAll('127.0.0.1:8000', ports.service);
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${dir}/temp/${name};`,
    );
    const around = ['daemon off;', `pid ${dir}/pid;`, `error_log ${dir}/logs/error.log;`, 'events {}'];
    const path = join(dir, 'nginx.conf');
    await writeFile(path, [...around, 'http {', 'access_log off;', ...temp, server, '}'].join('\n'));
    return path;
  }

  test('nginx -t accepts it', async () => {
    const path = await writeConfig({ own: await freePort(), service: '127.0.0.1:8000' });
    const { stderr, status } = spawnSync(pathOf(nginx), ['-t', '-c', path, '-p', dir], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, expect.stringContaining('test is successful')]);
  });

  test('it forwards a signed webhook and the API with a token, and no other path', async () => {
    const own = await freePort();
    const service = await ServiceProcess.start({
      cwd: dir,
      env: { TASK_LOGS_API_TOKEN: TOKEN, TASK_LOGS_AGENT_COMMAND: 'cat' },
    });
    let proxy: ServerProcess | undefined;
    try {
      const path = await writeConfig({ own, service: new URL(service.url).host });
      const isReady = async (): Promise<boolean> => (await ask(own, { path: '/' })) > 0;
      const args = ['-c', path, '-p', dir];
      proxy = await ServerProcess.start({ name: 'nginx', command: pathOf(nginx), args, isReady });
      const body = JSON.stringify(comment('@agent review'));
      const headers = {
        'content-type': 'application/json',
        'x-github-event': 'issue_comment',
        'x-github-delivery': 'one',
        'x-hub-signature-256': sign(body),
      };
      expect(await ask(own, { path: '/webhooks/github', method: 'POST', body, headers })).toBe(202);
      expect(await ask(own, { path: '/api/tasks' })).toBe(401);
      const authorization = { authorization: `Bearer ${TOKEN}` };
      expect(await ask(own, { path: '/api/tasks', headers: authorization })).toBe(200);
      for (const closed of ['/metrics', '/readyz', '/']) expect(await ask(own, { path: closed })).toBe(404);
    } finally {
      await proxy?.stop();
      await service.stop();
      await service.dispose();
    }
  });
});

interface Ask {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Sends a request and returns the status. The certificate is not verified: its host name is not local. */
function ask(port: number, { path, method = 'GET', headers = {}, body = '' }: Ask): Promise<number> {
  return new Promise((resolve, reject) => {
    const host = { ...headers, host: 'tasks.example.com' };
    const options = { host: '127.0.0.1', port, path, method, headers: host, rejectUnauthorized: false };
    const sent = request(options, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
