/**
 * A stand-in for a coding agent, for demos and tests without an account anywhere: reads the message on standard input
 * and prints what Claude Code would, by `--phase`. Everything that it prints says that it is a sample; it calls no model
 * and changes nothing.
 */
import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const MODEL = 'tasktrail-sample-agent';

/** Slow enough that a follower sees line after line, fast enough that a run stays well below a second. */
const LINE_DELAY_MS = 30;

/** What is read for show should not fill the log. */
const READ_CHARS_MAX = 2000;

const READABLE = ['README.md', 'package.json', 'CHANGELOG.md'];

/** Invented prices, US dollars per token, so that the cost columns of a demo are not empty. */
const PRICE = { input: 3e-6, cacheRead: 3e-7, cacheCreation: 3.75e-6, output: 15e-6 };

interface Script {
  readonly thinking: string;
  readonly text: string;
  readonly result: string;
}

const SCRIPTS: Readonly<Record<string, Script>> = {
  frame: {
    thinking: 'What is asked for, and what is not? I look at the project before I put it into one sentence.',
    text: 'Framing the request: first a look at what is here.',
    result: 'the request is framed; the goal is one sentence long and the limits are named.',
  },
  architect: {
    thinking:
      'A small change with a clear border is best. I check what the project already says about itself.',
    text: 'Drafting the plan from what the project already has.',
    result: 'the plan has three steps: write the failing test, make it pass, describe the change.',
  },
  build: {
    thinking: 'The plan is clear. I start with the file that everything else refers to.',
    text: 'Building: reading the file that the change starts from.',
    result: 'the change is written and its test passes.',
  },
  evaluate: {
    thinking: 'Does it do what was asked, and nothing else? I compare it with the project.',
    text: 'Evaluating the result against the request.',
    result: 'the change does what was asked; no finding is open.',
  },
  release: {
    thinking: 'What must somebody know who gets this change? I look where it would be described.',
    text: 'Preparing the release note.',
    result: 'the change is described and ready to be released.',
  },
};

const GENERIC: Script = {
  thinking: 'I read the message and look around in the project before I answer.',
  text: 'Working on it: a look at the project first.',
  result: 'the message was read and answered.',
};

interface ToolUse {
  readonly name: string;
  readonly input: Readonly<Record<string, string>>;
  readonly content: string;
  readonly isError: boolean;
}

async function useTool(): Promise<ToolUse> {
  for (const file of READABLE) {
    try {
      const content = (await readFile(file, 'utf8')).slice(0, READ_CHARS_MAX);
      return { name: 'Read', input: { file_path: file }, content, isError: false };
    } catch {
      // ENOENT mostly; whatever it is, the next one may be readable.
    }
  }
  const input = { command: 'ls', description: 'List the working directory' };
  try {
    return {
      name: 'Bash',
      input,
      content: (await readdir('.')).join('\n').slice(0, READ_CHARS_MAX),
      isError: false,
    };
  } catch (error) {
    return { name: 'Bash', input, content: String(error), isError: true };
  }
}

async function print(line: object): Promise<void> {
  process.stdout.write(`${JSON.stringify(line)}\n`);
  await delay(LINE_DELAY_MS);
}

/** Tokens as a rule of thumb counts them, four characters each: a longer message gives larger numbers. */
function usageOf(
  message: string,
  script: Script,
  tool: ToolUse,
): { usage: object; modelUsage: object; cost: number } {
  const input = Math.ceil((message.length + tool.content.length) / 4) + 200;
  const output = Math.ceil((script.thinking.length + script.text.length + script.result.length) / 4) + 40;
  const [cacheRead, cacheCreation] = [2400, 1200];
  const cost =
    input * PRICE.input +
    cacheRead * PRICE.cacheRead +
    cacheCreation * PRICE.cacheCreation +
    output * PRICE.output;
  return {
    cost,
    usage: {
      input_tokens: input,
      output_tokens: output,
      cache_read_input_tokens: cacheRead,
      cache_creation_input_tokens: cacheCreation,
    },
    modelUsage: {
      [MODEL]: {
        inputTokens: input,
        outputTokens: output,
        cacheReadInputTokens: cacheRead,
        cacheCreationInputTokens: cacheCreation,
        costUSD: cost,
        costBasis: 'list',
      },
    },
  };
}

async function run(): Promise<void> {
  const startedAt = performance.now();
  const { values } = parseArgs({
    options: { phase: { type: 'string', default: '' }, step: { type: 'string', default: '' } },
    allowPositionals: true,
    strict: false,
  });
  const message = process.stdin.isTTY ? '' : await textOf(process.stdin);
  const phase = String(values.phase);
  const script = (Object.hasOwn(SCRIPTS, phase) ? SCRIPTS[phase] : undefined) ?? GENERIC;
  const place = [phase, String(values.step)].filter((part) => part !== '').join('/');
  const sessionId = randomUUID();
  const shared = { parent_tool_use_id: null, session_id: sessionId };
  const say = (block: object): Promise<void> =>
    print({ type: 'assistant', message: { model: MODEL, role: 'assistant', content: [block] }, ...shared });

  await print({
    type: 'system',
    subtype: 'init',
    cwd: process.cwd(),
    session_id: sessionId,
    model: MODEL,
    tools: ['Read', 'Bash'],
  });
  await say({ type: 'thinking', thinking: `[sample agent] ${script.thinking}` });
  await say({ type: 'text', text: `[sample agent${place === '' ? '' : `, ${place}`}] ${script.text}` });
  const tool = await useTool();
  const toolUseId = `toolu_sample_${sessionId.slice(0, 8)}`;
  await say({ type: 'tool_use', id: toolUseId, name: tool.name, input: tool.input });
  const toolResult = {
    type: 'tool_result',
    tool_use_id: toolUseId,
    content: tool.content,
    is_error: tool.isError,
  };
  await print({ type: 'user', message: { role: 'user', content: [toolResult] }, ...shared });
  const first = message.trim().split('\n', 1)[0] ?? '';
  const asked = first === '' ? 'without a message' : `for "${first.slice(0, 120)}"`;
  const result = `[sample agent] Nothing was changed; a real agent would report here ${asked}: ${script.result}`;
  await say({ type: 'text', text: result });
  const { usage, modelUsage, cost } = usageOf(message, script, tool);
  await print({
    type: 'result',
    subtype: 'success',
    is_error: false,
    num_turns: 2,
    duration_ms: Math.round(performance.now() - startedAt),
    result,
    session_id: sessionId,
    total_cost_usd: cost,
    usage,
    modelUsage,
  });
}

await run();
