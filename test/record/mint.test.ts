import { decodeTime, isValid } from 'ulid';
import { afterEach, expect, test, vi } from 'vitest';
import { mintMoment } from '../../src/record/mint.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test('event ids are ULIDs of their time, and ascend', () => {
  const moments = Array.from({ length: 50_000 }, mintMoment);
  const ids = moments.map(({ eventId }) => eventId);
  expect(ids.every((id) => isValid(id))).toBe(true);
  expect(ids).toEqual([...new Set(ids)].sort());
  for (const { eventId, timeMs } of moments.slice(0, 100)) expect(decodeTime(eventId)).toBe(timeMs);
});

test('ids of one millisecond count on when the counter is at its end', () => {
  const nowMs = Date.now() + 1_000;
  vi.spyOn(Date, 'now').mockReturnValue(nowMs);
  // All ones: the counter begins just before its end.
  vi.spyOn(crypto, 'getRandomValues').mockImplementation((bytes) => {
    new Uint8Array((bytes as Uint8Array).buffer).fill(0xff);
    return bytes;
  });
  // What is left of the random bytes before.
  for (let ms = 1; ms <= 32; ms += 1) {
    vi.spyOn(Date, 'now').mockReturnValue(nowMs + ms);
    mintMoment();
  }
  vi.spyOn(Date, 'now').mockReturnValue(nowMs + 100);
  const [first, second] = [mintMoment().eventId, mintMoment().eventId];
  expect(first.slice(10)).toBe(`F${'Z'.repeat(15)}`);
  expect(second.slice(10)).toBe(`G${'0'.repeat(15)}`);
});
