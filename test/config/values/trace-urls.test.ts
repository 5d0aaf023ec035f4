import { expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/config.ts';

function load(value: string): readonly string[] {
  return loadConfig({ env: { TASK_LOGS_TRACE_URL: value }, recordsOnly: true }).traceUrls;
}

function problemOf(value: string): string {
  try {
    load(value);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    return (error as Error).message;
  }
  return '';
}

const JAEGER = 'http://localhost:16686/trace/{trace_id}';
const GRAFANA =
  'https://grafana.test/explore?schemaVersion=1&panes={"a":{"datasource":"jaeger","queries":[{"query":"{trace_id}","refId":"A"}]}}';

test('templates are separated by spaces, keep their order, and duplicates are removed', () => {
  expect(load(`${JAEGER} \n\t${GRAFANA}  ${JAEGER} `)).toEqual([JAEGER, GRAFANA]);
  expect(load('')).toEqual([]);
  expect(load('   ')).toEqual([]);
});

test.each([
  GRAFANA,
  GRAFANA.replaceAll('"', '%22'),
  'http://x/{trace_id}/{task_id}/{workflow_id}/{trace_id}',
  'http://x:3000/#/trace/{trace_id}?q={"job"="a"}&empty={}',
  'HTTPS://[::1]:16686/trace/{trace_id}',
])('%s is accepted unchanged: other braces are not placeholders', (template) => {
  expect(load(template)).toEqual([template]);
});

test.each([
  ['http://x/trace/', 'has no {trace_id}'],
  ['http://x/task/{task_id}', 'has no {trace_id}'],
  ['http://x/{traceid}', 'has {traceid}, which is no placeholder: use {trace_id}'],
  ['http://x/{traceId}', 'has {traceId}, which is no placeholder: use {trace_id}'],
  ['http://x/{TRACE_ID}', 'use {trace_id}'],
  ['http://x/{trace-id}', 'use {trace_id}'],
  ['http://x/{trace}', 'use {trace_id}'],
  [`http://x/\${trace_id}`, `has \${trace_id}, which is no placeholder: use {trace_id}`],
  ['http://x/{{trace_id}}', 'use {trace_id}'],
  ['http://x/{trace_id}?task={taskId}', 'has {taskId}, which is no placeholder: use {task_id}'],
  ['http://x/{trace_id}?w={workflow.id}', 'use {workflow_id}'],
  ['http://x/{trace_id}?s={span_id}', 'has {span_id}, which is no placeholder: use {trace_id}, {task_id}'],
  ['http://x/%7Btrace_id%7D', 'has {trace_id} percent-encoded'],
  ['ftp://x/{trace_id}', 'is not a URL such as'],
  ['javascript:alert("{trace_id}")', 'is not a URL such as'],
  ['localhost:16686/trace/{trace_id}', 'is not a URL such as'],
  ['http://{trace_id}.test/', 'has a placeholder in its host'],
  ['http://user:pass@x/{trace_id}', 'has a user or a password'],
  ['http://[::x/{trace_id}', 'is not a URL that can be parsed'],
])('%s is rejected: it %s', (template, reason) => {
  const problem = problemOf(template);
  expect(problem).toMatch(/^TASK_LOGS_TRACE_URL: /);
  expect(problem).toContain(reason);
});

test('the problem names all malformed templates and no valid ones', () => {
  const problem = problemOf('http://a/trace http://good/{trace_id} ftp://b/{trace_id}');
  const reasons = problem.slice(0, problem.indexOf(' (it is '));
  expect(reasons).toContain('"http://a/trace" has no {trace_id}; "ftp://b/{trace_id}" is not a URL');
  expect(reasons).not.toContain('good');
});
