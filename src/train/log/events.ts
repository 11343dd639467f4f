/**
 * The bytes of TensorBoard's event files. A file is a row of records as TensorFlow frames them: length, checksum of the
 * length, content, checksum of the content (tensorflow/core/lib/io/record_writer.cc). The content is the protobuf message
 * `Event` (tensorboard/compat/proto: event.proto, summary.proto), of which this file writes the few fields it needs.
 */
import { bytes, double, float, integer, join, text } from "../../formats/protobuf.js";

export interface ImageValue {
  readonly tag: string;
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** The first event of each file. */
export function versionEvent(seconds: number): Uint8Array {
  return event(seconds, 0, text(3, "brain.Event:2"));
}

/** A session that begins with `step`: readers forget what earlier ones say of it and of later steps. */
export function startEvent(seconds: number, step: number): Uint8Array {
  const START = 1;
  return event(seconds, step, bytes(7, integer(1, START)));
}

/** Values as float32, NaN and infinities included. */
export function scalarsEvent(seconds: number, step: number, values: Readonly<Record<string, number>>): Uint8Array {
  const entries = Object.entries(values).map(([tag, value]) => bytes(1, text(1, tag), float(2, value)));
  return event(seconds, step, bytes(5, ...entries));
}

export function imageEvent(seconds: number, step: number, { tag, png, width, height }: ImageValue): Uint8Array {
  const RGB = 3;
  const image = bytes(4, integer(1, height), integer(2, width), integer(3, RGB), bytes(4, png));
  return event(seconds, step, bytes(5, bytes(1, text(1, tag), image)));
}

function event(seconds: number, step: number, what: Uint8Array): Uint8Array {
  // Step 0 is what a missing field says.
  return frame(join([double(1, seconds), ...(step === 0 ? [] : [integer(2, step)]), what]));
}

/** A record of an event file. */
export function frame(content: Uint8Array): Uint8Array {
  const record = Buffer.alloc(content.length + 16);
  record.writeBigUInt64LE(BigInt(content.length), 0);
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
  record.set(content, 12);
  record.writeUInt32LE(maskedCrc32c(content), 12 + content.length);
  return record;
}

/** Turned and shifted, since a checksum over bytes that hold their own checksum says little (LevelDB's mask). */
export function maskedCrc32c(content: Uint8Array): number {
  const crc = crc32c(content);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Castagnoli's polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;
const CRC_OF_BYTE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

/** CRC-32C (RFC 3720, appendix B.4); the one of PNG and zlib has another polynomial. */
export function crc32c(content: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of content) crc = (crc >>> 8) ^ CRC_OF_BYTE[(crc ^ byte) & 255]!;
  return ~crc >>> 0;
}
