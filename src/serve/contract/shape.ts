import { z } from 'zod';

/** The named schemas of answers: `components.schemas` of the OpenAPI document, and types of the client. */
export const SHAPES: z.core.$ZodRegistry<ShapeName> = z.registry<ShapeName>();

interface ShapeName extends Record<string, unknown> {
  readonly id: string;
}

/** Schemas of what is stored in files. Records bring further fields, and a file that another program wrote may lack some. */
export const STORED: Set<string> = new Set();

/** Names a schema. */
export function shape(id: string, schema: z.ZodType): z.ZodType {
  SHAPES.add(schema, { id });
  return schema;
}

/** Names the schema of a stored document or line. */
export function storedShape(id: string, fields: z.ZodRawShape): z.ZodType {
  STORED.add(id);
  return shape(id, z.looseObject(fields));
}

// Functions: a schema that stands in two places would become a reference to itself.
export const text = (): z.ZodString => z.string();
export const textOrNull = (): z.ZodNullable<z.ZodString> => z.string().nullable();
export const count = (): z.ZodInt => z.int().min(0);
export const time = (): z.ZodString => z.string().meta({ format: 'date-time' });
export const timeOrNull = (): z.ZodNullable<z.ZodString> => time().nullable();
