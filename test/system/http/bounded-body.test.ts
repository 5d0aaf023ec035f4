import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { TasktrailError } from '../../../src/errors.ts';
import { BodyRoom, checkLength, collectBody } from '../../../src/system/http/bounded-body.ts';

const TOO_LARGE = { code: 'ERR_TOO_LARGE', message: 'a body is at most 10 bytes' };

const full = (): TasktrailError => new TasktrailError('ERR_QUEUE_UNAVAILABLE', 'no room');

test('a body up to the limit is returned whole', async () => {
  const source = new PassThrough();
  const body = collectBody(source, { bytesMax: 10 });
  source.write('01234');
  source.end('56789');
  expect(String(await body)).toBe('0123456789');
});

test('reading stops beyond the limit, and leaves the stream open and without listeners', async () => {
  const source = new PassThrough();
  const body = collectBody(source, { bytesMax: 10 });
  source.write('0123456789');
  source.write('x');
  await expect(body).rejects.toMatchObject(TOO_LARGE);
  expect(source.destroyed).toBe(false);
  expect(['data', 'end', 'error'].map((event) => source.listenerCount(event))).toEqual([0, 0, 0]);
});

test('a length beyond the limit is refused before the body is read', () => {
  expect(() => checkLength({ 'content-length': '11' }, 10)).toThrow(expect.objectContaining(TOO_LARGE));
  checkLength({ 'content-length': '10' }, 10);
  checkLength({}, 10);
});

test('a stream that closes early is cut short, before the reading and during it', async () => {
  const cutShort = { code: 'ERR_INPUT_INVALID', message: 'the body ended early' };
  const source = new PassThrough();
  source.write('0');
  const body = collectBody(source, { bytesMax: 10 });
  source.destroy();
  await expect(body).rejects.toMatchObject(cutShort);
  await expect(collectBody(source, { bytesMax: 10 })).rejects.toMatchObject(cutShort);
});

test("the stream's own error, and the reason of an abort, are thrown as they are", async () => {
  const failing = new PassThrough();
  const failed = collectBody(failing, { bytesMax: 10 });
  failing.destroy(new RangeError('bad block'));
  await expect(failed).rejects.toThrow('bad block');
  const late = new AbortController();
  const source = new PassThrough();
  const aborted = collectBody(source, { bytesMax: 10, signal: late.signal });
  late.abort(new RangeError('too slow'));
  await expect(aborted).rejects.toThrow('too slow');
  expect(source.destroyed).toBe(false);
  await expect(collectBody(source, { bytesMax: 10, signal: late.signal })).rejects.toThrow('too slow');
});

test('bodies share a room: one that finds it full is refused, and a released one makes room', async () => {
  const room = new BodyRoom(10, full);
  const [one, other] = [room.lease(), room.lease()];
  const source = new PassThrough();
  const first = collectBody(source, { bytesMax: 10, lease: one });
  source.end('012345');
  expect(String(await first)).toBe('012345');
  const second = new PassThrough();
  const refused = collectBody(second, { bytesMax: 10, lease: other });
  second.end('01234');
  await expect(refused).rejects.toThrow('no room');
  other.release();
  one.release();
  const third = new PassThrough();
  const taken = collectBody(third, { bytesMax: 10, lease: room.lease() });
  third.end('0123456789');
  expect(String(await taken)).toBe('0123456789');
});
