/** What photographs carry besides pixels: EXIF, XMP and the resolution, from one file to another. */
import sharp from "sharp";
import { exifFor, xmpFor } from "../formats/exif.js";
import { pngDensity, pngExif, pngXmp } from "../formats/png_metadata.js";
import { isPng, readPngStructure } from "../formats/png_structure.js";
import { ImageError } from "./errors.js";
import { isReadBySharp } from "./image_kinds.js";
import { readBytes } from "./read.js";

/** Metadata of an image file, for `writeImage`. */
export interface Metadata {
  /** The EXIF block, without the "Exif" before it. */
  readonly exif?: Uint8Array | undefined;
  /** The XMP packet. */
  readonly xmp?: string | undefined;
  /** Pixels per inch. */
  readonly density?: number | undefined;
}

/** The metadata of an image file; empty where there are none. Throws `ImageError` where the file cannot be read. */
export async function readMetadata(path: string): Promise<Metadata> {
  const bytes = await readBytes(path, ImageError);
  if (isPng(bytes)) {
    const structure = readPngStructure(bytes, path);
    return { exif: pngExif(structure), xmp: pngXmp(structure), density: pngDensity(structure) };
  }
  if (!isReadBySharp(bytes)) return {};
  const found = await sharp(bytes)
    .metadata()
    .catch(() => undefined);
  return { exif: found?.exif, xmp: found?.xmp?.toString("utf8"), density: found?.density };
}

/**
 * The metadata as they are true of an upright image of `width`×`height`: no thumbnail, and no GPS position unless
 * `keepGps`. The resolution is kept, so an enlarged image prints larger.
 */
export function metadataFor(
  { exif, xmp, density }: Metadata,
  { width, height }: { readonly width: number; readonly height: number },
  keepGps = false,
): Metadata {
  return {
    exif: exif && exifFor(exif, { width, height, keepGps }),
    xmp: xmp === undefined ? undefined : xmpFor(xmp, keepGps),
    density,
  };
}
