import { describe, expect, test } from 'vitest';
import { mergeDocuments } from '../../src/archive/merge.ts';
import { fc } from '../support/fast-check.ts';
import { artifact, documentFrom, event, idsOf, RUN } from './documents.ts';

describe('the local document and the one in S3 are merged', () => {
  test('events of both sides are kept, once each and in order', () => {
    const local = documentFrom([...RUN, artifact(30, 'a'), artifact(50, 'c')]);
    const remote = documentFrom([...RUN, artifact(30, 'a'), artifact(40, 'b')]);
    const merged = mergeDocuments(local, remote);
    expect(idsOf(merged)).toEqual(
      idsOf(documentFrom([...RUN, ...[30, 40, 50].map((n) => artifact(n, `${n}`))])),
    );
    expect(merged.measured.artifacts).toBe(3);
    expect(merged.revision).toBe(2);
  });

  test('the earliest copy of an event from two machines is kept', () => {
    const late = { ...artifact(40, 'a'), event_id: 'another' };
    const merged = mergeDocuments(documentFrom([...RUN, late]), documentFrom([...RUN, artifact(30, 'a')]));
    expect(idsOf(merged)).toContain('event-0030');
    expect(idsOf(merged)).not.toContain('another');
  });

  test('the earliest event of a key is kept, also when the payloads differ', () => {
    const local = documentFrom([...RUN, artifact(30, 'a', { key: 'spec' })]);
    const remote = documentFrom([...RUN, artifact(40, 'b', { key: 'spec' })]);
    const merged = mergeDocuments(local, remote);
    expect(idsOf(merged)).toEqual(idsOf(local));
    expect(merged.completeness.disagrees).toBe(true);
  });

  test('equal events with two keys stay two events', () => {
    const local = documentFrom([...RUN, artifact(30, 'a', { key: '1' }), artifact(31, 'a', { key: '2' })]);
    const remote = documentFrom([...RUN, artifact(32, 'b')]);
    expect(mergeDocuments(local, remote).events).toHaveLength(RUN.length + 3);
  });

  test('the document describes the newest attempt', () => {
    const again = [
      event(200, 'workflow_resumed', {}, { attempt: 2 }),
      event(300, 'workflow_complete', { status: 'failure' }, { attempt: 2 }),
    ];
    const merged = mergeDocuments(
      documentFrom([...RUN, artifact(30, 'a')]),
      documentFrom([...RUN, ...again]),
    );
    expect(merged).toMatchObject({ attempt: 2, event_id: 'event-0300', payload: { status: 'failure' } });
  });

  test('a late event that moves another one to the second attempt loses neither', () => {
    const step = (number: number, attempt: number) =>
      event(number, 'step_start', { phase: 'build', step: { name: 'lint' } }, { attempt });
    const remote = documentFrom([...RUN, step(50, 1)]);
    const local = documentFrom([...RUN, step(40, 1), step(50, 2)], 2);
    expect(mergeDocuments(local, remote)).toEqual(local);
  });

  test('different attempt counts of two machines never lose an event in S3', () => {
    const step = (number: number, attempt: number) =>
      event(number, 'step_start', { phase: 'build', step: { name: 'lint' } }, { attempt });
    const remote = documentFrom([...RUN, step(50, 1), step(60, 2)]);
    const local = documentFrom([...RUN, step(50, 2)]);
    expect(idsOf(mergeDocuments(local, remote))).toEqual(idsOf(remote));
  });

  test('fields of an event that this version does not know are kept', () => {
    const known = { ...artifact(30, 'a'), colour: 'green' };
    const remote = { ...documentFrom(RUN), events: [...documentFrom(RUN).events, known] };
    const merged = mergeDocuments(documentFrom([...RUN, artifact(40, 'b')]), remote);
    expect(merged.events.find(({ event_id }) => event_id === 'event-0030')).toEqual(known);
  });
});

describe('the senders of events', () => {
  const forged = RUN.map((one) => ({ ...one, payload: { status: 'forged' }, sender: 'anonymous' as const }));
  const extra = artifact(30, 'forged', { sender: 'anonymous' });

  test.each([
    ['the same events', forged],
    ['more events', [...forged, extra]],
  ])('%s that an anonymous sender sent before take no place of the trail’s', (_name, events) => {
    const local = documentFrom(RUN);
    const remote = documentFrom(events, 3);
    const merged = mergeDocuments(local, remote);
    expect(merged).toEqual({ ...local, revision: 4 });
    // The upload is stable, also from a machine that knows the forged events only.
    expect(mergeDocuments(local, merged)).toBe(merged);
    expect(mergeDocuments(remote, merged)).toBe(merged);
  });

  test('an event of an agent keeps its mark, and the trail’s own record of it has none', () => {
    const agents = artifact(30, 'a', { sender: 'agent' });
    const merged = mergeDocuments(documentFrom([...RUN, agents]), documentFrom([...RUN, artifact(40, 'b')]));
    expect(merged.events.map(({ sender }) => sender).filter(Boolean)).toEqual(['agent']);
    const own = mergeDocuments(documentFrom([...RUN, artifact(30, 'a')]), merged);
    expect(own.events.filter(({ sender }) => sender !== undefined)).toEqual([]);
    expect(idsOf(own)).toEqual(idsOf(merged));
  });
});

describe('revisions', () => {
  const less = documentFrom(RUN, 1);
  const more = documentFrom([...RUN, artifact(30, 'a')], 2);

  test('a complete document in S3 is returned unchanged', () => {
    expect(mergeDocuments(less, more)).toBe(more);
    expect(mergeDocuments(more, more)).toBe(more);
    expect(mergeDocuments(structuredClone(more), more)).toBe(more);
  });

  test('a document that only exists locally is uploaded unchanged', () => {
    expect(mergeDocuments(more, less)).toEqual(more);
  });

  test('a replacing document has a higher revision', () => {
    expect(mergeDocuments({ ...more, revision: 1 }, { ...less, revision: 7 }).revision).toBe(8);
  });

  test('a union that equals neither side has a higher revision than both', () => {
    const other = documentFrom([...RUN, artifact(40, 'b')], 3);
    expect(mergeDocuments(more, other).revision).toBe(4);
    expect(mergeDocuments(other, more).revision).toBe(4);
  });
});

describe('a contradiction', () => {
  const claim = event(100, 'workflow_complete', { status: 'success', summary: { artifacts_created: 2 } });
  const run = [...RUN.slice(0, -1), claim];

  test('between a count and the events ends when all events are there', () => {
    const local = documentFrom([...run, artifact(30, 'a')]);
    const remote = documentFrom([...run, artifact(40, 'b')]);
    expect(local.completeness.disagrees).toBe(true);
    expect(mergeDocuments(local, remote).completeness.disagrees).toBe(false);
  });

  test('between an event and its repeat is kept', () => {
    const full = documentFrom([...run, artifact(30, 'a'), artifact(40, 'b')]);
    const local = { ...full, completeness: { ...full.completeness, disagrees: true } };
    const merged = mergeDocuments(
      local,
      documentFrom([...run, artifact(30, 'a'), artifact(40, 'b'), artifact(50, 'c')]),
    );
    expect(merged.completeness.disagrees).toBe(true);
  });
});

test('alternating uploads of two machines converge to all events and then stop changing', () => {
  const paths = fc.uniqueArray(fc.integer({ min: 21, max: 79 }), { maxLength: 8 });
  fc.assert(
    fc.property(paths, paths, fc.boolean(), (mine, yours, isSameId) => {
      const one = documentFrom([...RUN, ...mine.map((number) => artifact(number, `${number}`))]);
      const id = (number: number): string => (isSameId ? `event-${number}` : `mine-${number}`);
      const two = documentFrom([
        ...RUN,
        ...yours.map((number) => artifact(number, `${number}`, { event_id: id(number) })),
      ]);
      const first = mergeDocuments(two, one);
      const second = mergeDocuments(one, first);
      expect(second).toBe(first);
      expect(mergeDocuments(two, second)).toBe(second);
      expect(first.measured.artifacts).toBe(new Set([...mine, ...yours]).size);
      expect(first.events.length).toBeGreaterThanOrEqual(Math.max(one.events.length, two.events.length));
    }),
  );
});
