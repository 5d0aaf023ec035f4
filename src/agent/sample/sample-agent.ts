/**
 * A stand-in for a coding agent, for demos and tests without an account. Reads a request on standard input and prints a
 * run in Claude Code's stream-json format. `--phase` selects what it does; the change is always the same small exercise.
 * It works in a temporary folder, calls no model, and every text that it prints is marked as a sample's.
 */
import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { phaseOf } from './phases.ts';
import { readRequest, titleOf } from './request.ts';
import { ScratchFolder } from './scratch-folder.ts';
import { Transcript } from './transcript.ts';

const NOTE =
  'This is a fixed exercise in a temporary folder: no model was called, none of your files was read or changed, ' +
  'cost and tokens are invented.';

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: { phase: { type: 'string', default: '' }, step: { type: 'string', default: '' } },
    allowPositionals: true,
    // The command of the sample can be configured, with options of any kind.
    strict: false,
  });
  const phase = String(values.phase);
  const label = ['sample agent', [phase, String(values.step)].filter((part) => part !== '').join('/')];
  const transcript = new Transcript(`[${label.filter((part) => part !== '').join(', ')}]`);
  const request = await readRequest();
  try {
    const folder = new ScratchFolder(transcript);
    process.once('exit', () => folder.remove());
    await transcript.start(folder.directory);
    await folder.add('ISSUE.md', request);
    const result = await phaseOf(phase)({ transcript, folder, request });
    await transcript.end(`For ${titleOf(request) ?? 'an empty request'}: ${result}. ${NOTE}`);
  } catch (error) {
    await transcript.fail(`The sample cannot work in its temporary folder: ${String(error)}`);
    process.exitCode = 1;
  }
}

// Without a handler these signals end the process before its 'exit' event, which removes the folder.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => process.exit(128 + constants.signals[signal]));

// EPIPE: the reader has closed the pipe.
process.stdout.on('error', () => process.exit(1));

await run();
