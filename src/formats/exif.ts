/**
 * EXIF blocks: reading the orientation, and making a copy that is true of an enlarged image. A block is a small TIFF file:
 * directories of 12-byte entries that point to values elsewhere in the block (EXIF 2.32, section 4.6). Entries are changed in
 * place, because makers' notes point to absolute positions.
 */

const ORIENTATION = 0x0112;
const EXIF_DIRECTORY = 0x8769;
const GPS_DIRECTORY = 0x8825;
const WIDTH = 0xa002;
const HEIGHT = 0xa003;
const SHORT = 3;
const LONG = 4;
/** Bytes of a value by its type. */
const SIZES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4];
/** Behind the marker of JPEG, and of some PNG files, the block begins here. */
const PREFIX = [0x45, 0x78, 0x69, 0x66, 0, 0];

interface Entry {
  readonly at: number;
  readonly tag: number;
  readonly type: number;
  readonly count: number;
}

/** A block with its byte order. */
class Block {
  readonly #view: DataView;
  readonly #little: boolean;

  /** Throws `RangeError` where the bytes are no EXIF block. */
  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const order = this.#view.getUint16(0);
    if (order !== 0x4949 && order !== 0x4d4d) throw new RangeError("no EXIF block");
    this.#little = order === 0x4949;
    if (this.short(2) !== 42) throw new RangeError("no EXIF block");
  }

  short(at: number): number {
    return this.#view.getUint16(at, this.#little);
  }

  long(at: number): number {
    return this.#view.getUint32(at, this.#little);
  }

  setShort(at: number, value: number): void {
    this.#view.setUint16(at, value, this.#little);
  }

  setLong(at: number, value: number): void {
    this.#view.setUint32(at, value, this.#little);
  }

  entries(directory: number): Entry[] {
    return Array.from({ length: this.short(directory) }, (_, i) => {
      const at = directory + 2 + 12 * i;
      return { at, tag: this.short(at), type: this.short(at + 2), count: this.long(at + 4) };
    });
  }

  /** The directory that an entry of `directory` points to. */
  below(directory: number, tag: number): number | undefined {
    const entry = this.entries(directory).find((one) => one.tag === tag);
    return entry && this.long(entry.at + 8);
  }

  /** Removes an entry; those behind it move up. */
  remove(directory: number, tag: number): void {
    const count = this.short(directory);
    const entry = this.entries(directory).find((one) => one.tag === tag);
    if (!entry) return;
    const end = directory + 2 + 12 * count + 4;
    this.bytes.copyWithin(entry.at, entry.at + 12, end);
    this.bytes.fill(0, end - 12, end);
    this.setShort(directory, count - 1);
  }

  /** Overwrites the values of a directory and the directory itself. */
  erase(directory: number): void {
    for (const { at, type, count } of this.entries(directory)) {
      const size = (SIZES[type] ?? 0) * count;
      if (size > 4) this.bytes.fill(0, this.long(at + 8), this.long(at + 8) + size);
    }
    this.bytes.fill(0, directory, directory + 2 + 12 * this.short(directory));
  }
}

/** The block without the "Exif" that some containers put before it. */
export function exifBlock(bytes: Uint8Array): Uint8Array {
  return PREFIX.every((byte, i) => bytes[i] === byte) ? bytes.subarray(PREFIX.length) : bytes;
}

/** How the image is to be turned, 1 to 8; 1, upright, where the block does not say or is damaged. */
export function exifOrientation(bytes: Uint8Array): number {
  return tolerant(1, () => {
    const block = new Block(exifBlock(bytes));
    const entry = block.entries(block.long(4)).find(({ tag }) => tag === ORIENTATION);
    const value = entry ? block.short(entry.at + 8) : 1;
    return value >= 1 && value <= 8 ? value : 1;
  });
}

/** What a copy of a block is to say. */
export interface ExifChanges {
  readonly width: number;
  readonly height: number;
  /** Also keeps where the picture was taken. */
  readonly keepGps: boolean;
}

/**
 * A copy of the block for an upright image of this size: without the thumbnail, and without the position unless `keepGps`.
 * Undefined where the block is damaged.
 */
export function exifFor(bytes: Uint8Array, { width, height, keepGps }: ExifChanges): Uint8Array | undefined {
  return tolerant(undefined, () => {
    const block = new Block(exifBlock(bytes).slice());
    const main = block.long(4);
    for (const { at, tag } of block.entries(main)) if (tag === ORIENTATION) block.setShort(at + 8, 1);
    const gps = block.below(main, GPS_DIRECTORY);
    if (gps !== undefined && !keepGps) {
      block.erase(gps);
      block.remove(main, GPS_DIRECTORY);
    }
    block.setLong(main + 2 + 12 * block.short(main), 0);
    const exif = block.below(main, EXIF_DIRECTORY);
    if (exif === undefined) return block.bytes;
    for (const { at, tag } of block.entries(exif)) {
      if (tag !== WIDTH && tag !== HEIGHT) continue;
      block.setShort(at + 2, LONG);
      block.setLong(at + 8, tag === WIDTH ? width : height);
    }
    return block.bytes;
  });
}

/** An EXIF block that says nothing but the orientation; for tests and tools. */
export function orientationBlock(orientation: number): Uint8Array {
  const block = new Uint8Array(26);
  const view = new DataView(block.buffer);
  block.set([0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1]);
  view.setUint16(10, ORIENTATION);
  view.setUint16(12, SHORT);
  view.setUint32(14, 1);
  view.setUint16(18, orientation);
  return block;
}

/** XMP without the position, as attributes or elements; `keepGps` leaves it. Its orientation is that of an upright image. */
export function xmpFor(packet: string, keepGps: boolean): string {
  const upright = packet
    .replace(/(tiff:Orientation\s*=\s*["'])\d(["'])/g, "$11$2")
    .replace(/(<tiff:Orientation>)\d(<\/tiff:Orientation>)/g, "$11$2");
  if (keepGps) return upright;
  return upright
    .replace(/\s+exif:GPS\w+\s*=\s*("[^"]*"|'[^']*')/g, "")
    .replace(/<exif:(GPS\w+)\b[^>]*?(\/>|>[\s\S]*?<\/exif:\1>)/g, "");
}

function tolerant<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return otherwise;
    throw error;
  }
}
