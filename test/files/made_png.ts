/** PNG files of kinds that our own writers do not make. */
import { crc32, deflateSync } from "node:zlib";

/** A PNG of the given header and scan lines (each with its filter byte). */
export function png(
  width: number,
  height: number,
  depth: number,
  colourType: number,
  lines: number[],
  chunks: Record<string, number[]> = {},
  interlace = 0,
) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colourType, 0, 0, interlace], 8);
  const parts = [...Object.entries(chunks).map(([type, data]) => chunk(type, Buffer.from(data)))];
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return new Uint8Array(
    Buffer.concat([
      magic,
      chunk("IHDR", header),
      ...parts,
      chunk("IDAT", deflateSync(Buffer.from(lines))),
      chunk("IEND", Buffer.alloc(0)),
    ]),
  );
}

export function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
