import type { z } from 'zod';
import type { JsonObject } from '../../model/json.ts';

/** How OpenAPI writes a parameter whose check takes its text: as the value that the text stands for. */
export const PARAMETERS: WeakMap<object, JsonObject> = new WeakMap();

/** Notes how OpenAPI writes the parameter that a schema checks. */
export function written<Schema extends z.ZodType>(schema: Schema, json: JsonObject): Schema {
  PARAMETERS.set(schema, json);
  return schema;
}
