import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const BUILD: string = resolve(import.meta.dirname, '..', 'tools', 'build.sh');

/** Timeout of one build. The slowest takes five minutes on two idle cores. */
const BUILD_MS = 1_800_000;

/** The tools of `build.sh`. `python` has the packages of requirements.txt, `schemathesis` is a Python with that package, `compose-loader` reads compose files as `docker compose` does. */
export type ToolName =
  | 'chromium'
  | 'collector'
  | 'compose-loader'
  | 'disk-faults'
  | 'jaeger'
  | 'nginx'
  | 'overlays'
  | 'prometheus'
  | 'promtool'
  | 'python'
  | 'redis-server'
  | 'schemathesis'
  | 'telemetrygen'
  | 'versitygw'
  | 'victoria-logs';

/** The path of a program, or the reason why it is not available. */
export type Tool = { readonly path: string } | { readonly missing: string };

const found = new Map<ToolName, Tool>();

/**
 * Finds a program in the cache, or builds it. Tests that need a missing program are skipped; with `CI=true` a missing
 * program is an error, because skipped tests would go unnoticed.
 */
export function findTool(name: ToolName): Tool {
  const known = found.get(name) ?? make(name);
  found.set(name, known);
  if (!('missing' in known)) return known;
  if (process.env.CI === 'true') throw new Error(known.missing);
  process.stderr.write(`skipped: ${known.missing}\n`);
  return known;
}

/** The path of an available program. Throws if it is missing. */
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
  if (error !== undefined) return { missing: `${name} is not available: ${error.message}` };
  if (status !== 0) return { missing: stderr.trim().slice(-500) };
  return { path: stdout.trim() };
}
