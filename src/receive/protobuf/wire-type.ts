/** Wire types (protobuf.dev, "Encoding"). 3 and 4 are groups, which are not part of proto3. */
export const WIRE_TYPE = { varint: 0, bit64: 1, lengthDelimited: 2, bit32: 5 } as const;

export type WireType = (typeof WIRE_TYPE)[keyof typeof WIRE_TYPE];
