import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';
import type { NodeId } from './workflow-node.ts';

/** Objects of a payload whose fields the payload schemas declare. Deeper data belongs to the caller. */
const SCHEMA_OBJECTS: ReadonlySet<string> = new Set(['artifact', 'context', 'step']);

/**
 * What a payload says beyond the node of its event. The same event reported through the API, `emit` and `workflow` gives
 * the same identity although the payloads differ in form: a producer may repeat the names of phase and step, or leave them
 * out, and may write an absent field as null, `[]` or `{}`. Compare identities with `canonicalJson`.
 */
export function eventIdentity(payload: JsonValue, node: NodeId): JsonValue {
  if (!isJsonObject(payload)) return payload;
  const kept: [string, JsonValue][] = [];
  for (const [name, value] of Object.entries(payload)) {
    const item = SCHEMA_OBJECTS.has(name) && isJsonObject(value) ? presentFields(value) : value;
    const rest = name === 'step' ? withoutName(item, node.step) : item;
    if (isPresent(rest) && !(name === 'phase' && rest === node.phase)) kept.push([name, rest]);
  }
  // From entries: an assignment to `__proto__` would not make a field.
  return Object.fromEntries(kept);
}

/** What a payload's step says beside the name that its event has anyway. */
function withoutName(step: JsonValue | undefined, name: string | null): JsonValue | undefined {
  if (!isJsonObject(step)) return step === name ? undefined : step;
  if (step.name !== name) return step;
  return Object.fromEntries(Object.entries(step).filter(([field]) => field !== 'name'));
}

function presentFields(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => isPresent(item)));
}

function isPresent(value: JsonValue | undefined): value is JsonValue {
  if (value === undefined || value === null) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}
