import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const BUILD: string = resolve(import.meta.dirname, '..', 'tools', 'build.sh');

/** The slowest takes five minutes on two cores that it has for itself. */
const BUILD_MS = 1_800_000;

/** What `build.sh` makes. `python` has the packages of requirements.txt, `compose-loader` reads compose files as `docker compose` does. */
export type ToolName =
  | 'collector'
  | 'compose-loader'
  | 'jaeger'
  | 'nginx'
  | 'prometheus'
  | 'promtool'
  | 'python'
  | 'redis-server'
  | 'telemetrygen'
  | 'versitygw';

/** Where a real program is, or why it cannot be had: then the tests that need it are skipped. */
export type Tool = { readonly path: string } | { readonly missing: string };

const found = new Map<ToolName, Tool>();

/**
 * A program that tests run against: from the cache in milliseconds, else it is made, which happens once. Where nobody
 * looks at what was skipped (`CI=true`), its absence is an error.
 */
export function findTool(name: ToolName): Tool {
  const known = found.get(name) ?? make(name);
  found.set(name, known);
  if (!('missing' in known)) return known;
  if (process.env.CI === 'true') throw new Error(known.missing);
  process.stderr.write(`skipped: ${known.missing}\n`);
  return known;
}

/** For a test that is not run when it is missing. */
export function pathOf(tool: Tool): string {
  if ('missing' in tool) throw new Error(tool.missing);
  return tool.path;
}

function make(name: ToolName): Tool {
  const { status, stdout, stderr, error } = spawnSync('bash', [BUILD, name], {
    encoding: 'utf8',
    timeout: BUILD_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) return { missing: `${name} cannot be had: ${error.message}` };
  if (status !== 0) return { missing: stderr.trim().slice(-500) };
  return { path: stdout.trim() };
}
