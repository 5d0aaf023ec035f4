import type { z } from 'zod';

// The types of schemas that other files use are written out (isolatedDeclarations). These names keep them short.

export type Optional<T extends z.core.SomeType> = z.ZodExactOptional<T>;
/** An object in which an unknown key is a mistake. */
export type Strict<T extends z.core.$ZodShape> = z.ZodObject<T, z.core.$strict>;
/** An object whose unknown keys are left alone. */
export type Loose<T extends z.core.$ZodShape> = z.ZodObject<T, z.core.$strip>;
export type Texts<T extends string> = z.ZodEnum<{ [Text in T]: Text }>;

/** Readonly at every depth, as the frozen `Config` is. */
export type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;
