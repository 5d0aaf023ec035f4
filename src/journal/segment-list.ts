import type { Segment } from './segment.ts';

/**
 * The segments of a journal, oldest first, and for each destination those that it has not received whole. A destination that
 * stands still keeps thousands of segments: the others do not look at them again for each batch.
 */
export class SegmentList {
  readonly #segments = new Map<string, Segment>();
  readonly #ahead = new Map<string, Set<Segment>>();

  constructor(destinations: readonly string[]) {
    for (const destination of destinations) this.#ahead.set(destination, new Set());
  }

  /** Also one that is in the list: each destination looks at it again. */
  add(segment: Segment): void {
    this.#segments.set(segment.id, segment);
    for (const ahead of this.#ahead.values()) ahead.add(segment);
  }

  find(id: string): Segment | undefined {
    return this.#segments.get(id);
  }

  /** All that there are now. */
  all(): readonly Segment[] {
    return [...this.#segments.values()];
  }

  /** All of them, with those that are added during the iteration. */
  each(): Iterable<Segment> {
    return this.#segments.values();
  }

  /** Those that a destination has not received whole. The iterator may be used while segments are added and removed. */
  ahead(destination: string): Iterable<Segment> {
    return this.#ahead.get(destination) ?? this.#segments.values();
  }

  /** The destination has received the segment whole. */
  pass(destination: string, segment: Segment): void {
    this.#ahead.get(destination)?.delete(segment);
  }

  /** False when it was removed before. */
  remove(segment: Segment): boolean {
    if (this.#segments.get(segment.id) !== segment) return false;
    for (const ahead of this.#ahead.values()) ahead.delete(segment);
    return this.#segments.delete(segment.id);
  }

  /** Empties the list. Returns what it had. */
  takeAll(): readonly Segment[] {
    const segments = this.all();
    this.#segments.clear();
    for (const ahead of this.#ahead.values()) ahead.clear();
    return segments;
  }
}
