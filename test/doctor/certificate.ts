import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** Of `cert`. */
  readonly path: string;
}

/** A new self-signed certificate, for 127.0.0.1 or another address. */
export function makeCertificate(address = '127.0.0.1', isExpired = false): Certificate {
  const dir = mkdtempSync(join(tmpdir(), 'tasktrail-certificate-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const [key, request, cert] = [join(dir, 'key.pem'), join(dir, 'request.pem'), join(dir, 'cert.pem')];
  const subject = ['-subj', '/CN=tasktrail-test', '-addext', `subjectAltName=IP:${address}`];
  openssl(['req', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', request, ...subject]);
  const days = ['-days', isExpired ? '-1' : '2'];
  openssl([
    'x509',
    '-req',
    '-in',
    request,
    '-signkey',
    key,
    '-out',
    cert,
    '-copy_extensions',
    'copy',
    ...days,
  ]);
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8'), path: cert };
}

function openssl(args: readonly string[]): void {
  const { status, error, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl: ${error?.message ?? stderr}`);
}
