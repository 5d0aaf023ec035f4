import { z } from 'zod';

/** The named schemas of answers: `components.schemas` of the OpenAPI document, and types of the client. */
const SHAPES: z.core.$ZodRegistry<ShapeName> = z.registry<ShapeName>();

interface ShapeName extends Record<string, unknown> {
  readonly id: string;
}

/** Schemas of what is stored in files. Records bring further fields, and a file that another program wrote may lack some. */
const STORED: Set<string> = new Set();

/** Names a schema. */
function shape(id: string, schema: z.ZodType): z.ZodType {
  SHAPES.add(schema, { id });
  return schema;
}

/** Names the schema of a stored document or line. */
function storedShape(id: string, fields: z.ZodRawShape): z.ZodType {
  STORED.add(id);
  return shape(id, z.looseObject(fields));
}

// Functions: a schema that stands in two places would become a reference to itself.
const text = (): z.ZodString => z.string();
const textOrNull = (): z.ZodNullable<z.ZodString> => z.string().nullable();
const count = (): z.ZodInt => z.int().min(0);
const time = (): z.ZodString => z.string().meta({ format: 'date-time' });
const timeOrNull = (): z.ZodNullable<z.ZodString> => time().nullable();

export { count, SHAPES, STORED, shape, storedShape, text, textOrNull, time, timeOrNull };
