import { analyse } from 'scslre';
import { expect, test } from 'vitest';
import { builtPatterns, type SourcePattern, sourcePatterns } from './support/patterns.ts';

/** Patterns whose time may be more than linear, each with the reason why no text from outside makes them slow. */
const EXEMPT: Readonly<Record<string, string>> = {
  'agent/allowed-variables.ts /[\\n\\r]|:\\/\\/|@.*:|-----BEGIN/': 'longer values are not read',
  'cli/demo/span-tree.ts /^(\\S+)\\s*(.*)$/': 'reads the spans that the demo itself has made',
  'cli/webhook/webhook.ts /\\/+$/': 'reads an address of the command line',
  'config/config.ts /\\/+$/': 'reads a setting',
  'config/metrics.ts /\\/+$/': 'reads a setting',
  'config/values/remote-owner.ts /[?#].*$/': 'addresses of more than 2,000 characters are not read',
  'config/values/rule-pattern.ts /\\((?:[^()\\\\]|\\\\.)*(?:[+*]|\\{\\d+,\\d*\\})(?:[^()\\\\]|\\\\.)*\\)(?:[+*]|\\{\\d+,)/':
    'reads rules of the configuration',
  'config/values/trace-urls.ts /(\\$?\\{+)\\s*([A-Za-z][\\w.-]*)\\s*\\}/g': 'reads a setting',
  'page/browser/run/transcript/line-pages.ts /[?&]after=([^&>]*)[^>]*>; rel="next"/':
    'reads a header of the own server',
  'page/browser/tasks/query.ts /(-?)(?:([a-z_]+):)?("(?:[^"]*)"?|[^\\s"]+)/gi':
    'reads what the user of the page has typed',
  'trail/agents/agent-environment.ts /\\/*$/': 'reads the home of the user',
  'trail/agents/send-left-records.ts /\\/+$/': 'reads a setting',
};

/** Modules that build patterns while they are loaded. */
const BUILT_AT_LOAD = ['agent/dialects/json-line.ts', 'agent/failure-reason.ts', 'webhooks/markup/mail.ts'];

/** Modules that build patterns later, with the reason why these are linear. */
const BUILT_LATER: Readonly<Record<string, string>> = {
  'build/client-api.ts': 'a name of a schema, while the client is made',
  'config/values/rule-pattern.ts': 'rules of the configuration, which are tried out here',
  'doctor/endpoint-groups.ts': 'the path of one of three signals',
  'webhooks/command.ts': 'the trigger, with every special character escaped',
};

/** The engine of redaction has a test of its own, which reads texts as a whole. */
const OWN_TEST = 'redact/';

const { literals, built } = sourcePatterns();

function keyOf({ file, source, flags }: SourcePattern): string {
  return `${file} /${source}/${flags}`;
}

/** Repetitions that make a search take more than linear time, in words; empty for none. */
function problemsOf({ source, flags }: SourcePattern): readonly string[] {
  const { reports } = analyse(new RegExp(source, flags.replaceAll(/[dy]/g, '')));
  return reports.map(({ type, exponential }) => `${type}${exponential ? ', exponential' : ''}`);
}

function slowOnes(patterns: readonly SourcePattern[]): readonly string[] {
  const slow = patterns
    .filter(({ file }) => !file.startsWith(OWN_TEST))
    .filter((pattern) => problemsOf(pattern).length > 0);
  return [...new Set(slow.map(keyOf))].sort();
}

test('every pattern of the source takes linear time, or has a reason why it may take more', () => {
  expect(literals.length).toBeGreaterThan(200);
  expect(slowOnes(literals)).toEqual(Object.keys(EXEMPT).sort());
});

test('every pattern that is built is known', async () => {
  const others = built.filter((file) => !file.startsWith(OWN_TEST));
  expect([...new Set(others)].sort()).toEqual([...BUILT_AT_LOAD, ...Object.keys(BUILT_LATER)].sort());
  for (const file of BUILT_AT_LOAD) {
    const own = await builtPatterns(file);
    expect(own.length, file).toBeGreaterThanOrEqual(others.filter((name) => name === file).length);
    expect(slowOnes(own)).toEqual([]);
  }
});

test.each([/x+$/, /^(\S+)\s*(.*)$/, /\s*=/, /(a+)+b/, /(?:a|ab|b)+c/])(
  '%s is found to be slow',
  (pattern) => {
    const { source, flags } = pattern;
    expect(slowOnes([{ file: 'x.ts', source, flags }])).toHaveLength(1);
  },
);
