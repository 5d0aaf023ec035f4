// GitHub webhooks in, a BullMQ queue, a worker that runs an agent, and the recorded tasks behind a REST API. All of it
// in one process; the queue lets you move the worker into another one.
import { trace } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api-logs';
import { Queue, Worker } from 'bullmq';
import express from 'express';
import { startTasktrail } from 'tasktrail';
import { enqueueTask, processTask } from 'tasktrail/bullmq';
import { receiveWebhooks, serveHealth, serveLogs } from 'tasktrail/express';

const connection = { url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' };
const queue = new Queue('reviews', { connection });

// Opens the log directory (TASK_LOGS_DIR), or finds the process that holds it. Nothing is recorded before this line.
const trail = await startTasktrail();

const app = express();
// Before any body parser: the signature covers the raw bytes.
const webhooks = receiveWebhooks({
  github: { secret: process.env.GITHUB_WEBHOOK_SECRET },
  commands: ['review'],
  // The webhook is answered when this promise resolves: the task is in Redis by then.
  onTask: (task) =>
    enqueueTask(
      queue,
      task.command,
      { issue: (task.payload.issue ?? task.payload.pull_request)?.number },
      { task },
    ),
});
app.use('/webhooks', webhooks);
app.use('/api', serveLogs(trail));
app.use(serveHealth(trail));

// A coding agent goes here: ['claude', '-p', '--output-format', 'stream-json', '--verbose'] with the dialect 'claude'.
const AGENT = [process.execPath, new URL('agent.js', import.meta.url).pathname];

const work = processTask((job, task) =>
  task.workflow(
    'review',
    { workItemId: String(job.data.issue ?? job.id), phases: ['frame', 'build'] },
    async (workflow) => {
      await workflow.phase('frame', { steps: ['look-up'] }, (phase) =>
        phase.step('look-up', {}, () => lookUp(job)),
      );
      await workflow.phase('build', { steps: ['run-agent'] }, (phase) =>
        phase.step('run-agent', { skill: 'agent' }, async (step) => {
          const { result } = await task.runAgent(AGENT, { input: task.message, dialect: 'text' });
          step.artifact({ type: 'review', url: `https://example.com/reviews/${task.id}` });
          return result;
        }),
      );
    },
  ),
);
// Shorter than BullMQ's own times, so that the task of a lost worker is taken over before its silence counts as its end.
const worker = new Worker(queue.name, work, { connection, lockDuration: 15_000, stalledInterval: 10_000 });

/** Work of your own. With sdk.js its span and its log record land in the task; without it they go nowhere. */
async function lookUp(job) {
  await trace.getTracer('app').startActiveSpan('look up the issue', async (span) => {
    logs.getLogger('app').emit({ body: `issue ${job.data.issue} is open`, severityText: 'INFO' });
    span.end();
  });
}

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

// In this order: nothing new comes in, running jobs end, what was recorded is stored.
const stop = async () => {
  server.close();
  await worker.close();
  await queue.close();
  webhooks.close();
  await trail.shutdown();
};
process.once('SIGTERM', stop).once('SIGINT', stop);
