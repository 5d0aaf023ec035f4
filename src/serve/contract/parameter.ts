import { z } from 'zod';
import { fieldValues } from '../../model/field-values.ts';
import type { JsonObject } from '../../model/json.ts';

/** How OpenAPI writes a parameter whose check takes its text: as the value that the text stands for. */
export const PARAMETERS: WeakMap<object, JsonObject> = new WeakMap();

/** Notes how OpenAPI writes the parameter that a schema checks. */
export function written<Schema extends z.ZodType>(schema: Schema, json: JsonObject): Schema {
  PARAMETERS.set(schema, json);
  return schema;
}

const VALUES_MAX = 64;

/** An optional parameter with values of a field, as in a query. `known`: those that there are. */
export function values(known?: readonly string[]): z.ZodOptional<z.ZodString> {
  const rule = known === undefined ? 'must not have an empty value' : `must be one of ${known.join(', ')}`;
  return z
    .string()
    .min(1, 'must not be empty')
    .refine((text) => fieldValues(text).length <= VALUES_MAX, `must have at most ${VALUES_MAX} values`)
    .refine(
      (text) =>
        fieldValues(text).every(
          (one) => one.isPrefix || (known === undefined ? one.text !== '' : known.includes(one.text)),
        ),
      known === undefined ? rule : `${rule}, or several with commas`,
    )
    .describe(
      'a value, several with commas, `a*` for those that begin so, `*` for any, `"a,b"` for exactly this text',
    )
    .optional();
}
