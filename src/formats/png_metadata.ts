/** What a PNG says about its pixels: colour profile, orientation, resolution, EXIF and XMP. */
import { strToU8 } from "fflate";
import { inflate } from "./png.js";
import { concatenated, type PngStructure, pngChunk, XMP_KEYWORD } from "./png_structure.js";

/** Most bytes of a profile or an XMP packet that is decompressed. */
const MAX_INFLATED = 2 ** 24;
const METRES_PER_INCH = 0.0254;

/** The ICC profile, where there is one and the file does not say that it is sRGB. */
export function pngProfile({ optional }: PngStructure): Uint8Array | undefined {
  const content = optional.get("iCCP");
  if (!content || optional.has("sRGB")) return undefined;
  const end = content.indexOf(0);
  if (end < 0 || content[end + 1] !== 0) return undefined;
  try {
    return inflate(content.subarray(end + 2), MAX_INFLATED, true);
  } catch {
    // A profile that is damaged is no reason to refuse the pixels.
    return undefined;
  }
}

export function pngExif({ optional }: PngStructure): Uint8Array | undefined {
  return optional.get("eXIf");
}

/** The XMP packet of an iTXt chunk. */
export function pngXmp({ optional }: PngStructure): string | undefined {
  const content = optional.get("iTXt");
  if (!content) return undefined;
  const compressed = content[XMP_KEYWORD.length] === 1;
  // Two texts that end in 0, language and translated keyword, stand before the packet.
  const language = content.indexOf(0, XMP_KEYWORD.length + 2);
  const start = content.indexOf(0, language + 1) + 1;
  if (language < 0 || start === 0) return undefined;
  try {
    const packet = content.subarray(start);
    return new TextDecoder().decode(compressed ? inflate(packet, MAX_INFLATED, true) : packet);
  } catch {
    return undefined;
  }
}

/** Pixels per inch, where the file gives them for square pixels. */
export function pngDensity({ optional }: PngStructure): number | undefined {
  const content = optional.get("pHYs");
  if (content?.length !== 9 || content[8] !== 1) return undefined;
  const view = new DataView(content.buffer, content.byteOffset);
  const [x, y] = [view.getUint32(0), view.getUint32(4)];
  return x === y && x > 0 ? x * METRES_PER_INCH : undefined;
}

/** Chunks that say the same of a file to be written. */
export function metadataChunks(metadata: {
  readonly exif?: Uint8Array | undefined;
  readonly xmp?: string | undefined;
  readonly density?: number | undefined;
}): Uint8Array[] {
  const { exif, xmp, density } = metadata;
  const chunks: Uint8Array[] = [];
  if (density !== undefined) {
    const content = new Uint8Array(9);
    const view = new DataView(content.buffer);
    view.setUint32(0, Math.round(density / METRES_PER_INCH));
    view.setUint32(4, Math.round(density / METRES_PER_INCH));
    content[8] = 1;
    chunks.push(pngChunk("pHYs", content));
  }
  if (exif) chunks.push(pngChunk("eXIf", exif));
  if (xmp) chunks.push(pngChunk("iTXt", concatenated([strToU8(`${XMP_KEYWORD}\0\0\0\0`, true), strToU8(xmp)])));
  return chunks;
}
