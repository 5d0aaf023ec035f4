import { loadConfig } from '../config/config.ts';
import { MASKS } from '../redact/mask.ts';
import { maskSecrets, setRedactRules } from '../redact/redact.ts';
import { createStreamRedactor, type StreamRedactor } from '../redact/stream.ts';
import { secretsOf } from '../trail/config-secrets.ts';

/** Counts of masks by kind. */
type Counts = Map<string, number>;

interface RedactOptions {
  readonly json: boolean;
  readonly configFile: string | undefined;
}

/** Prints standard input as it would be recorded, and on standard error what was masked. Memory stays flat. */
export async function redactInput({ json, configFile }: RedactOptions): Promise<number> {
  const config = loadConfig({ withoutService: true, ...(configFile !== undefined && { configFile }) });
  setRedactRules(config.redactRules);
  maskSecrets(secretsOf(config));
  const redactor = createStreamRedactor();
  const counts: Counts = new Map();
  process.stdin.setEncoding('utf8');
  for await (const piece of process.stdin) await print(redactor.push(String(piece)), counts);
  await finish(redactor, counts);
  process.stderr.write(
    json ? `${JSON.stringify({ masked: Object.fromEntries(sorted(counts)) })}\n` : summary(counts),
  );
  return 0;
}

async function finish(redactor: StreamRedactor, counts: Counts): Promise<void> {
  await print(redactor.flush(), counts);
}

async function print(text: string, counts: Counts): Promise<void> {
  if (text === '') return;
  for (const [mask] of text.matchAll(MASKS)) {
    const kind = mask.slice('[redacted:'.length, -1) || 'unnamed';
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  if (process.stdout.write(text)) return;
  // The reader of a pipe may be slower than the file.
  await new Promise((resolve) => process.stdout.once('drain', resolve));
}

function sorted(counts: Counts): [string, number][] {
  return [...counts].sort(([a, first], [b, second]) => second - first || a.localeCompare(b));
}

function summary(counts: Counts): string {
  if (counts.size === 0) return 'tasktrail: nothing was masked\n';
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const kinds = sorted(counts).map(([kind, count]) => `  ${String(count).padStart(6)}  ${kind}\n`);
  return `tasktrail: ${total} masked\n${kinds.join('')}`;
}
