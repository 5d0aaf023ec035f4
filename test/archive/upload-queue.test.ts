import { expect, test } from 'vitest';
import { UploadError } from '../../src/archive/failure.ts';
import { type PendingUpload, UploadQueue } from '../../src/archive/upload-queue.ts';

const OBJECT = new UploadError('object', 'wrong');
const BUCKET = new UploadError('bucket', 'down');

function nextOf(queue: UploadQueue, now: number): PendingUpload {
  const waiting = queue.next(now);
  if (waiting === undefined) throw new TypeError(`nothing is due at ${now}`);
  return waiting;
}

test('a failed upload is retried after 1 s, then after twice as long, up to a minute', () => {
  const queue = new UploadQueue();
  queue.add('a', 0);
  const pauses: number[] = [];
  let now = 0;
  for (let nth = 0; nth < 9; nth += 1) {
    queue.failed(nextOf(queue, now), now, OBJECT);
    const dueAt = queue.dueAt ?? 0;
    expect(queue.next(dueAt - 1)).toBeUndefined();
    pauses.push(dueAt - now);
    now = dueAt;
  }
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1000));
});

test('other documents are uploaded when one fails', () => {
  const queue = new UploadQueue();
  for (const id of ['a', 'b']) queue.add(id, 0);
  queue.failed(nextOf(queue, 0), 0, OBJECT);
  expect(queue.next(0)?.workflowId).toBe('b');
});

test('all documents wait when the bucket fails, and then another one is first', () => {
  const queue = new UploadQueue();
  for (const id of ['a', 'b']) queue.add(id, 0);
  queue.failed(nextOf(queue, 0), 0, BUCKET);
  expect(queue.next(999)).toBeUndefined();
  expect(queue.dueAt).toBe(1000);
  expect(queue.next(1000)?.workflowId).toBe('b');
});

test('a new revision does not shorten the pause of a failed upload', () => {
  const queue = new UploadQueue();
  queue.add('a', 0);
  queue.failed(nextOf(queue, 0), 0, OBJECT);
  queue.add('a', 10);
  expect(queue.dueAt).toBe(1000);
});

test('a revision that arrives during an upload is uploaded too', () => {
  const queue = new UploadQueue();
  queue.add('a', 0);
  const waiting = nextOf(queue, 0);
  queue.add('a', 5);
  queue.succeeded(waiting, 10, true);
  expect(queue.pendingCount).toBe(1);
  expect(queue.next(10)?.workflowId).toBe('a');
});

test('a written object is read once more and then leaves the queue', () => {
  const queue = new UploadQueue();
  queue.add('a', 0);
  queue.succeeded(nextOf(queue, 0), 0, true);
  expect(queue.pendingCount).toBe(0);
  expect(queue.dueAt).toBe(5000);
  queue.succeeded(nextOf(queue, 5000), 5000, false);
  expect(queue.dueAt).toBeUndefined();
});

test('the reported failure is that of the bucket, otherwise of the document that failed most often', () => {
  const queue = new UploadQueue();
  for (const id of ['a', 'b']) queue.add(id, 0);
  expect(queue.failure).toBeUndefined();
  queue.failed(nextOf(queue, 0), 0, BUCKET);
  expect(queue.failure).toEqual({ workflowId: undefined, reason: 'down', failures: 1 });
  queue.failed(nextOf(queue, 1000), 1000, OBJECT);
  expect(queue.failure).toEqual({ workflowId: 'b', reason: 'wrong', failures: 1 });
  queue.succeeded(nextOf(queue, 2000), 2000, false);
  queue.succeeded(nextOf(queue, 2000), 2000, false);
  expect(queue.failure).toBeUndefined();
});
