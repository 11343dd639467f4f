/**
 * The fields that protobuf messages are made of (https://protobuf.dev/programming-guides/encoding/): a key, which is the
 * field's number and kind, then the value. A message is its fields in a row; so is a repeated field.
 */

/** A whole number from 0 to 2⁵³, an enumeration or a truth value. */
export function integer(field: number, value: number): Uint8Array {
  return Uint8Array.of(...varint(8 * field), ...varint(value));
}

export function double(field: number, value: number): Uint8Array {
  return Uint8Array.of(...varint(8 * field + 1), ...littleEndian(8, (view) => view.setFloat64(0, value, true)));
}

export function float(field: number, value: number): Uint8Array {
  return Uint8Array.of(...varint(8 * field + 5), ...littleEndian(4, (view) => view.setFloat32(0, value, true)));
}

/** Bytes, or a message made of its fields. */
export function bytes(field: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return join([Uint8Array.of(...varint(8 * field + 2), ...varint(length)), ...parts]);
}

export function text(field: number, value: string): Uint8Array {
  return bytes(field, new TextEncoder().encode(value));
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Seven bits a byte, lowest first, up to 2⁵³: no bit operations. */
function varint(value: number): number[] {
  const encoded: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) encoded.push(128 + (rest % 128));
  return [...encoded, rest];
}

function littleEndian(length: number, set: (view: DataView) => void): Uint8Array {
  const encoded = new Uint8Array(length);
  set(new DataView(encoded.buffer));
  return encoded;
}
