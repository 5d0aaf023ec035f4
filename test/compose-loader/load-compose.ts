import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const SOURCES = ['main.go', 'go.mod', 'go.sum'].map((name) => join(import.meta.dirname, name));
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tasktrail-test');

/** A port of a container, and where the machine has it. */
export interface ComposePort {
  readonly host_ip?: string;
  readonly target: number;
  readonly published?: string;
}

export interface ComposeMount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly read_only?: boolean;
  readonly bind?: { readonly create_host_path?: boolean };
}

/** What these tests look at of a service, as the library that `docker compose` is made of understands it. */
export interface ComposeService {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly ports?: readonly ComposePort[];
  readonly volumes?: readonly ComposeMount[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly command: readonly string[] | null;
  readonly restart?: string;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly mem_limit?: string;
  readonly pids_limit?: number;
  readonly privileged?: boolean;
  readonly stop_grace_period?: string;
  readonly logging?: { readonly options?: Readonly<Record<string, string>> };
}

export type Compose = Readonly<Record<string, ComposeService>>;

/** The loader in the cache, else built there with Go, which takes some seconds and happens once. */
export function findComposeLoader(): { readonly path: string } | { readonly missing: string } {
  const version = createHash('sha256');
  for (const path of SOURCES) version.update(readFileSync(path));
  const path = join(CACHE, `compose-loader-${version.digest('hex').slice(0, 16)}`);
  if (existsSync(path)) return { path };
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, 'build-'));
  try {
    const args = ['build', '-trimpath', '-buildvcs=false', '-o', join(work, 'loader'), '.'];
    const built = spawnSync('go', args, { cwd: import.meta.dirname, encoding: 'utf8', timeout: 300_000 });
    if (built.error !== undefined) return missing(built.error.message);
    if (built.status !== 0) return missing(built.stderr.slice(-300));
    // Whole or not at all, also for another run that looks for it now.
    renameSync(join(work, 'loader'), path);
    return { path };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Where nobody looks at what was skipped, a test that cannot run is a failure. */
function missing(why: string): { readonly missing: string } {
  const reason = `the loader of compose files cannot be built with Go: ${why}`;
  if (process.env.CI === 'true') throw new Error(reason);
  process.stderr.write(`skipped: ${reason}\n`);
  return { missing: reason };
}

/** The services of a file with these variables and no others. Throws what the loader says. */
export function loadCompose(loader: string, file: string, env: Readonly<Record<string, string>>): Compose {
  const { status, stdout, stderr } = spawnSync(loader, [file], { env, encoding: 'utf8', timeout: 30_000 });
  if (status !== 0) throw new Error(stderr);
  // Written by our own loader, from the library's types.
  const { services } = JSON.parse(stdout) as { readonly services: Compose };
  return services;
}
