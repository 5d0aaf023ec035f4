import { processEnvironment } from '../config/environment.ts';
import { examine, type FiledFinding } from '../doctor/examination.ts';
import type { Level } from '../doctor/finding.ts';
import { readVersion } from '../system/version.ts';
import { paintFor } from './terminal/terminal.ts';
import { TerminalStream } from './terminal/terminal-stream.ts';
import { escapeJson, escapeLine, type Paint, type Style, textWidth } from './terminal/terminal-text.ts';

const STYLES: Readonly<Record<Level, Style>> = { ok: 'green', warning: 'yellow', problem: 'red' };
const LEVEL_WIDTH = 'problem'.length;

/** Cells of the address column. A longer address pushes its own finding to the right. */
const WHERE_WIDTH_MAX = 44;

/** Milliseconds until the exit: a pending DNS query would keep the process alive for half a minute. */
const EXIT_MS = 50;

/** Prints the problems of the setup with advice. Returns the exit code: 1 when there is a problem. */
export async function doctor(
  flags: Readonly<Record<string, string | undefined>>,
  configFile: string | undefined,
  { json }: { readonly json: boolean },
): Promise<number> {
  const { variables: env, envFile } = processEnvironment();
  const settings = { flags, configFile, env, envFile, cwd: process.cwd() };
  const findings = await examine({ ...settings, version: readVersion() });
  const ok = findings.every(({ level }) => level !== 'problem');
  const out = new TerminalStream(1);
  await out.write(json ? `${escapeJson(JSON.stringify({ ok, findings }))}\n` : asText(findings, paintFor(1)));
  const code = ok ? 0 : 1;
  setTimeout(() => process.exit(code), EXIT_MS).unref();
  return code;
}

/** A heading per area, a line per finding, and its advice below it. */
export function asText(findings: readonly FiledFinding[], paint: Paint): string {
  const areas = new Map<string, FiledFinding[]>();
  for (const finding of findings) areas.set(finding.area, [...(areas.get(finding.area) ?? []), finding]);
  const lines = [...areas].flatMap(([area, own]) => [paint(area, 'bold'), ...linesOf(own, paint)]);
  return `${[...lines, summary(findings)].join('\n')}\n`;
}

function linesOf(findings: readonly FiledFinding[], paint: Paint): readonly string[] {
  const widths = findings.map(({ where }) => textWidth(escapeLine(where)));
  const width = Math.min(WHERE_WIDTH_MAX, Math.max(...widths));
  return findings.flatMap(({ level, where, what, advice }) => {
    const place = escapeLine(where);
    const blank = ' '.repeat(Math.max(0, width - textWidth(place)));
    const word = paint(level.padEnd(LEVEL_WIDTH), STYLES[level]);
    const line = `  ${word}  ${place}${blank}  ${escapeLine(what)}`;
    const indent = ' '.repeat(LEVEL_WIDTH + 4);
    return advice === null ? [line] : [line, `${indent}${paint('->', 'dim')} ${escapeLine(advice)}`];
  });
}

function summary(findings: readonly FiledFinding[]): string {
  const count = (level: Level): number => findings.filter((finding) => finding.level === level).length;
  const [problems, warnings] = [count('problem'), count('warning')];
  if (problems + warnings === 0) return 'nothing is wrong';
  return `${amount(problems, 'problem')}, ${amount(warnings, 'warning')}`;
}

function amount(count: number, noun: string): string {
  return `${count === 0 ? 'no' : count} ${noun}${count === 1 ? '' : 's'}`;
}
