/** Image formats by the first bytes of a file: those that are read, and those whose name helps the user. */

/** "?" stands for any byte. The formats that sharp reads. */
const READ = ["\xff\xd8\xff", "RIFF????WEBP", "II*\0", "MM\0*", "II+\0", "MM\0+", "GIF87a", "GIF89a"];
const READ_BRANDS = ["avif", "avis"];

/** Formats that are not read, with what to do about them. */
const OTHERS: readonly (readonly [magic: string, name: string])[] = [
  ["BM", "BMP"],
  ["\xff\x0a", "JPEG XL"],
  ["\0\0\0\x0cJXL ", "JPEG XL"],
  ["\0\0\0\x0cjP  ", "JPEG 2000"],
  ["\xff\x4f\xff\x51", "JPEG 2000"],
  ["8BPS", "Photoshop (PSD)"],
  ["%PDF", "PDF"],
  ["\x76\x2f\x31\x01", "OpenEXR"],
  ["#?RADIANCE", "Radiance HDR"],
  ["\0\0\x01\0", "icon (ICO)"],
  ["FUJIFILMCCD-RAW", "Fujifilm raw"],
  ["IIU\0", "Panasonic raw"],
  ["IIRO", "Olympus raw"],
  ["II*\0????CR\x02", "Canon raw"],
  ["<svg", "SVG drawing"],
  ["<?xml", "SVG drawing or other XML"],
  ["P1", "PBM"],
  ["P2", "PGM"],
  ["P3", "PPM"],
  ["P4", "PBM"],
  ["P5", "PGM"],
  ["P6", "PPM"],
  ["qoif", "QOI"],
  ["DDS ", "DDS"],
];
/** Brands of the ISO container that HEIC, AVIF and videos share. */
const BRANDS: Readonly<Record<string, string>> = {
  heic: "HEIC",
  heix: "HEIC",
  heim: "HEIC",
  heis: "HEIC",
  hevc: "HEIC",
  hevx: "HEIC",
  mif1: "HEIF",
  msf1: "HEIF",
  "crx ": "Canon raw (CR3)",
  "qt  ": "QuickTime video",
  isom: "MP4 video",
  mp42: "MP4 video",
};

/** Whether sharp reads this kind of file. PNG is not among them. */
export function isReadBySharp(bytes: Uint8Array): boolean {
  if (foreignFormat(bytes) !== undefined) return false;
  return READ.some((magic) => startsWith(bytes, magic)) || READ_BRANDS.includes(brandOf(bytes) ?? "");
}

/** The name of a format that is known and not read. */
export function foreignFormat(bytes: Uint8Array): string | undefined {
  const brand = brandOf(bytes);
  if (brand !== undefined && !READ_BRANDS.includes(brand)) {
    // A still image of another brand may list AVIF among those it is compatible with.
    const end = Math.min(bytes.length, new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
    for (let at = 16; at + 4 <= end; at += 4) if (READ_BRANDS.includes(latin1(bytes, at, 4))) return undefined;
    return BRANDS[brand] ?? `container of the brand ${JSON.stringify(brand)}`;
  }
  return OTHERS.find(([magic]) => startsWith(bytes, magic))?.[1];
}

/** The main brand of an ISO container. */
function brandOf(bytes: Uint8Array): string | undefined {
  return bytes.length >= 16 && latin1(bytes, 4, 4) === "ftyp" ? latin1(bytes, 8, 4) : undefined;
}

function latin1(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}

function startsWith(bytes: Uint8Array, magic: string): boolean {
  return [...magic].every((character, i) => character === "?" || bytes[i] === character.charCodeAt(0));
}
