import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { pin } from '../../src/build/pin-images.mjs';
import { tempDir } from '../support/log-dir.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const LOCK = z.object({
  lockfileVersion: z.number(),
  packages: z.record(
    z.string(),
    z.object({
      name: z.string().optional(),
      version: z.string().optional(),
      resolved: z.string().optional(),
      integrity: z.string().optional(),
      dev: z.boolean().optional(),
      optional: z.boolean().optional(),
      peer: z.boolean().optional(),
      hasInstallScript: z.boolean().optional(),
    }),
  ),
});
const lock = LOCK.parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')));
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
const nameOf = (path: string): string => path.replace(/^.*node_modules\//, '');

const MANIFEST = z.object({ allowScripts: z.record(z.string(), z.boolean()) });
const manifest = MANIFEST.parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')));

test('every package of the lockfile has a strong checksum, and comes from the public registry', () => {
  expect(packages.length).toBeGreaterThan(300);
  const weak = packages.filter(([, { integrity = '' }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity));
  expect(weak.map(([path]) => path)).toEqual([]);
  // Without an address npm asks the configured registry, which the checksum holds to the same bytes.
  const elsewhere = packages.filter(
    ([, { resolved }]) => resolved !== undefined && !resolved.startsWith('https://registry.npmjs.org/'),
  );
  expect(elsewhere.map(([path]) => path)).toEqual([]);
});

test('the packages with install scripts are those that were reviewed, and none of them is run', () => {
  const withScript = packages
    .filter(([, one]) => one.hasInstallScript === true)
    .map(([path]) => nameOf(path));
  // fsevents, of macOS, comes as a binary: its script is not in the lockfile.
  expect([...new Set(withScript)].sort()).toEqual(Object.keys(manifest.allowScripts).sort());
  expect(Object.values(manifest.allowScripts)).not.toContain(true);
  const production = packages.filter(([, one]) => one.dev !== true && one.hasInstallScript === true);
  expect(production).toEqual([]);
});

test('actions of workflows are pinned by commit', () => {
  const folder = join(ROOT, '.github', 'workflows');
  const files = existsSync(folder) ? readdirSync(folder) : [];
  for (const file of files) {
    const uses = readFileSync(join(folder, file), 'utf8').matchAll(/uses:\s*(\S+)/g);
    for (const [, action = ''] of uses) expect(action).toMatch(/^\.\/|@[0-9a-f]{40}$/);
  }
});

/** Runs the check with a program in place of npm. */
async function auditWith(
  script: string,
): Promise<{ readonly status: number | null; readonly output: string }> {
  const npm = join(await tempDir(), 'npm');
  writeFileSync(npm, `#!/bin/sh\n${script}\n`);
  chmodSync(npm, 0o755);
  const program = join(ROOT, 'src/build/audit-signatures.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, npm], { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

test.runIf(process.platform !== 'win32')(
  'a wrong signature fails the check; a registry out of reach does not',
  async () => {
    const wrong = `{"invalid":[{"name":"left","version":"1.0.0","code":"EINTEGRITYSIGNATURE"}],"missing":[]}`;
    expect(await auditWith(`echo '${wrong}'; exit 1`)).toEqual({
      status: 1,
      output: 'wrong signature: left@1.0.0 (EINTEGRITYSIGNATURE)\n',
    });
    expect(await auditWith(`echo '{"invalid":[],"missing":[{"name":"x"}]}'`)).toEqual({
      status: 0,
      output: 'no wrong signature; 1 packages have none\n',
    });
    const away = `{"error":{"code":"ENOTFOUND","summary":"request failed"}}`;
    expect(await auditWith(`echo '${away}'; exit 1`)).toMatchObject({
      status: 0,
      output: 'signatures were not checked: request failed\n',
    });
    expect((await auditWith('echo broken; exit 1')).status).toBe(0);
  },
);

test('the digests of images are those that the registry names for their tags', async () => {
  const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.url?.startsWith('/token')) return response.end('{"token":"t"}');
    if (request.headers.authorization !== 'Bearer t') return response.writeHead(401).end();
    if (request.url?.includes('gone')) return response.writeHead(404).end();
    return response.setHeader('docker-content-digest', digest('a')).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const places = { registry: address, auth: address };
  const text = [
    `    image: redis:8.2.3-alpine@${digest('b')}`,
    '    image: prom/prometheus:v3.14.0',
    '    image: tasktrail:local',
    `FROM node:22.22.3-bookworm-slim@${digest('a')} AS base`,
    'FROM base AS build',
  ].join('\n');
  const { pinned, changes } = await pin(text, places);
  expect(pinned.split('\n')).toEqual([
    `    image: redis:8.2.3-alpine@${digest('a')}`,
    `    image: prom/prometheus:v3.14.0@${digest('a')}`,
    '    image: tasktrail:local',
    `FROM node:22.22.3-bookworm-slim@${digest('a')} AS base`,
    'FROM base AS build',
  ]);
  expect(changes).toEqual([
    `redis:8.2.3-alpine: ${digest('b')} -> ${digest('a')}`,
    `prom/prometheus:v3.14.0: no digest -> ${digest('a')}`,
  ]);
  expect(asked).toContain('HEAD /v2/library/redis/manifests/8.2.3-alpine');
  expect(asked).toContain('HEAD /v2/prom/prometheus/manifests/v3.14.0');
  await expect(pin('    image: gone/x:1.0', places)).rejects.toThrow('gone/x:1.0: the registry answers 404');
});

test('the bill of materials has every package of production', { tags: 'full' }, () => {
  const { stdout, status, stderr } = spawnSync('npm', ['run', '--silent', 'sbom'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  const bom = z
    .object({
      bomFormat: z.literal('CycloneDX'),
      specVersion: z.string(),
      metadata: z.object({ component: z.object({ 'bom-ref': z.string() }) }),
      components: z.array(
        z.object({
          name: z.string(),
          version: z.string(),
          purl: z.string(),
          hashes: z.array(z.object({ alg: z.string() })),
        }),
      ),
      dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()) })),
    })
    .parse(JSON.parse(stdout));
  const listed = new Set(bom.components.map(({ purl }) => decodeURIComponent(purl)));
  const production = packages.filter(
    ([, one]) => one.dev !== true && one.peer !== true && one.optional !== true,
  );
  expect(production.length).toBeGreaterThan(20);
  const missing = production.filter(
    ([path, { name, version }]) => !listed.has(`pkg:npm/${name ?? nameOf(path)}@${version}`),
  );
  expect(missing.map(([path]) => path)).toEqual([]);
  const development = packages.filter(([, one]) => one.dev === true).map(([path]) => nameOf(path));
  expect(development).toContain('vitest');
  expect([...listed].filter((purl) => /^pkg:npm\/(?:vitest|typescript|bullmq)@/.test(purl))).toEqual([]);
  expect(bom.metadata.component['bom-ref']).toMatch(/^tasktrail@/);
  const references = new Set([...bom.dependencies.map(({ ref }) => ref)]);
  const dangling = bom.dependencies.flatMap(({ dependsOn }) =>
    dependsOn.filter((ref) => !references.has(ref)),
  );
  expect(dangling).toEqual([]);
});
