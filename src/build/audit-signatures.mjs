// Checks the registry's signatures of all installed packages: `npm audit signatures`. Fails on a signature that does not
// belong to its package. A registry that cannot be reached, or that signs nothing (mirrors), is said and is no failure.
import { spawnSync } from 'node:child_process';

/** A registry that is not reachable makes npm wait for minutes. */
const TIMEOUT_MS = 60_000;

const [npm = 'npm'] = process.argv.slice(2);
const { stdout, error, signal } = spawnSync(npm, ['audit', 'signatures', '--json'], {
  encoding: 'utf8',
  timeout: TIMEOUT_MS,
  maxBuffer: 64 * 1_048_576,
});
const report = parse(stdout);
const invalid = Array.isArray(report?.invalid) ? report.invalid : undefined;
if (invalid === undefined) {
  const why = report?.error?.summary ?? report?.error?.code ?? error?.message ?? signal ?? 'no answer';
  console.log(`signatures were not checked: ${why}`);
} else if (invalid.length > 0) {
  for (const { name, version, code } of invalid)
    console.error(`wrong signature: ${name}@${version} (${code})`);
  process.exitCode = 1;
} else {
  const missing = Array.isArray(report.missing) ? report.missing.length : 0;
  console.log(`no wrong signature${missing > 0 ? `; ${missing} packages have none` : ''}`);
}

function parse(text) {
  try {
    return JSON.parse(text ?? '');
  } catch {
    // Killed after the timeout, or an error as text.
    return undefined;
  }
}
