import { isJsonObject, type JsonObject, type JsonValue } from '../model/json.ts';
import { firstOfText, wellFormed } from '../model/text.ts';
import { visibleJson } from './visible-text.ts';

interface Bounds {
  /** UTF-16 units of a text. */
  readonly text: number;
  /** Values of an array or object. */
  readonly entries: number;
}

/** From generous to tight. Ids have at most 128 characters, and are never cut. */
const STEPS: readonly Bounds[] = [
  { text: 4_000, entries: 200 },
  { text: 1_000, entries: 60 },
  { text: 300, entries: 30 },
  { text: 130, entries: 12 },
];

/** Nesting of recorded values that is shown. */
const DEPTH_MAX = 8;

/** Names of cut texts in an answer. */
const CUTS_MAX = 10;

const NAME_MAX = 130;

/**
 * A recorded value as a JSON text on one line, of at most `bytesMax` bytes. Long texts are cut, and the member
 * `cut_characters` says how long they are. The first members are the last to be left out.
 */
export function fitJson(value: JsonObject, bytesMax: number): string {
  for (const bounds of STEPS) {
    const text = visibleJson(cutValue(value, bounds));
    if (Buffer.byteLength(text) <= bytesMax) return text;
  }
  return firstMembers(value, bytesMax);
}

function firstMembers(value: JsonObject, bytesMax: number): string {
  const bounds: Bounds = { text: 130, entries: 4 };
  const kept: Record<string, unknown> = { left_out: true };
  let text = visibleJson(kept);
  for (const [name, member] of Object.entries(value)) {
    if (name.length > NAME_MAX) continue;
    const next = visibleJson({ ...kept, [name]: cutMember(member, bounds) });
    if (Buffer.byteLength(next) > bytesMax) break;
    setOwn(kept, name, cutMember(member, bounds));
    text = next;
  }
  return text;
}

function cutMember(value: JsonValue | undefined, bounds: Bounds): unknown {
  return new Cutter(bounds).cut(value, [], 1);
}

function cutValue(value: JsonObject, bounds: Bounds): JsonObject {
  const cutter = new Cutter(bounds);
  const cut = cutter.cut(value, [], 0) as JsonObject;
  return cutter.cuts.size === 0 ? cut : { ...cut, cut_characters: Object.fromEntries(cutter.cuts) };
}

class Cutter {
  /** Lengths of cut texts by their names. */
  readonly cuts: Map<string, number> = new Map();
  readonly #bounds: Bounds;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  cut(value: JsonValue | undefined, path: readonly string[], depth: number): unknown {
    if (typeof value === 'string') return this.#cutText(value, path);
    if (typeof value !== 'object' || value === null) return value;
    if (depth >= DEPTH_MAX) return '(more levels)';
    const { entries } = this.#bounds;
    if (!isJsonObject(value)) {
      const items = value as readonly JsonValue[];
      const shown = items
        .slice(0, entries)
        .map((item, at) => this.cut(item, [...path, String(at)], depth + 1));
      return items.length > entries ? [...shown, `(${items.length - entries} more)`] : shown;
    }
    const members = Object.entries(value);
    const shown: Record<string, unknown> = {};
    for (const [name, member] of members.slice(0, entries))
      setOwn(shown, firstOfText(name, NAME_MAX), this.cut(member, [...path, name], depth + 1));
    if (members.length > entries) shown.more_members = members.length - entries;
    return shown;
  }

  #cutText(text: string, path: readonly string[]): string {
    const { text: max } = this.#bounds;
    if (text.length <= max) return wellFormed(text);
    if (this.cuts.size < CUTS_MAX) this.cuts.set(firstOfText(path.join('.'), NAME_MAX), text.length);
    return wellFormed(firstOfText(text, max));
  }
}

/** Senders choose the names; a plain assignment to `__proto__` would set the prototype. */
function setOwn(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true });
}
