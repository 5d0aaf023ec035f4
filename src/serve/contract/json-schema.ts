import { z } from 'zod';
import { isJsonObject, type JsonObject, type JsonValue } from '../../model/json.ts';
import { PARAMETERS } from './parameter.ts';
import { SHAPES } from './shape.ts';

/**
 * Whether objects may have further fields than the described ones. The document says so, because fields are added; tests say
 * no, so that each one is described.
 */
export type Openness = 'open' | 'closed';

type Override = NonNullable<NonNullable<Parameters<typeof z.toJSONSchema>[1]>['override']>;

const override: Override = ({ zodSchema, jsonSchema }) => {
  const written = PARAMETERS.get(zodSchema);
  if (written === undefined) return;
  for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
  Object.assign(jsonSchema, written);
};

const PLACE = '#/components/schemas/';

/** A schema as OpenAPI 3.1 has it; named ones are references to the components. */
export function jsonSchemaOf(
  schema: z.ZodType,
  io: 'input' | 'output',
  openness: Openness = 'open',
): JsonObject {
  // As a field of another schema: the outermost one would not become a reference.
  const made = z.toJSONSchema(z.object({ it: schema }), { io, metadata: SHAPES, override });
  const found = plain(made.properties?.it, io === 'output' ? openness : 'closed');
  return isJsonObject(found) ? found : {};
}

/** `components.schemas`. */
export function componentSchemas(openness: Openness = 'open'): JsonObject {
  const made = z.toJSONSchema(SHAPES, { io: 'output', uri: (id) => PLACE + id, override });
  const entries = Object.entries(made.schemas).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, schema]) => [name, plain(schema, openness)]));
}

/** Plain JSON without the keys of a document of its own. */
function plain(value: unknown, openness: Openness): JsonValue {
  if (Array.isArray(value)) return value.map((item) => plain(item, openness));
  if (typeof value !== 'object' || value === null) return value as JsonValue;
  const out: Record<string, JsonValue> = {};
  for (const [key, item] of Object.entries(value)) {
    if (['$schema', '$id', '$defs', 'id', '~standard'].includes(key)) continue;
    if (typeof item === 'function' || item === undefined) continue;
    if (key === '$ref' && typeof item === 'string') out.$ref = item.replace('#/$defs/', PLACE);
    else if (key === 'properties') out.properties = eachOf(item, openness);
    else if (key === 'additionalProperties' && item === false && openness === 'open') continue;
    // Keys of JSON are texts.
    else if (key === 'propertyNames') continue;
    else if (item === Number.MAX_SAFE_INTEGER || item === Number.MIN_SAFE_INTEGER) continue;
    else out[key] = plain(item, openness);
  }
  return out;
}

/** Names of fields may be those of keywords. */
function eachOf(fields: object, openness: Openness): JsonObject {
  return Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, plain(schema, openness)]));
}
