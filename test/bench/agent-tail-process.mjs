import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { coreShare } from './core-share.mjs';

/** The poll interval of a worker. */
const POLL_MS = 50;

// The baseline for following agents: read appended data of their output files and parse each line.
for await (const line of createInterface({ input: process.stdin })) {
  const { command, agents, idleMs, warmUpMs, busyMs } = JSON.parse(line);
  const idle = await coreShare(idleMs);
  const tails = Array.from({ length: agents }, (_, number) => startTail(command, `agent-${number}`));
  let isOver = false;
  const following = follow(tails, () => isOver);
  while (tails.some(({ lines }) => lines === 0)) await delay(POLL_MS);
  await delay(warmUpMs);
  const busy = await coreShare(busyMs);
  await Promise.all(tails.map(({ ended }) => ended));
  isOver = true;
  await following;
  const lines = tails.reduce((sum, tail) => sum + tail.lines, 0);
  process.stdout.write(`${JSON.stringify({ idle, busy, lines })}\n`);
}

function startTail([program, ...args], path) {
  const out = openSync(path, 'a');
  const child = spawn(program, args, { stdio: ['ignore', out, 'inherit'] });
  closeSync(out);
  return { fd: openSync(path, 'r'), position: 0, rest: '', lines: 0, ended: once(child, 'exit') };
}

async function follow(tails, isOver) {
  const buffer = Buffer.allocUnsafe(65_536);
  for (;;) {
    const isLast = isOver();
    for (const tail of tails) while (readNext(tail, buffer));
    if (isLast) return;
    await delay(POLL_MS);
  }
}

function readNext(tail, buffer) {
  const bytes = readSync(tail.fd, buffer, 0, buffer.length, tail.position);
  if (bytes === 0) return false;
  tail.position += bytes;
  const lines = (tail.rest + buffer.toString('utf8', 0, bytes)).split('\n');
  tail.rest = lines.pop() ?? '';
  for (const line of lines) JSON.parse(line);
  tail.lines += lines.length;
  return true;
}
