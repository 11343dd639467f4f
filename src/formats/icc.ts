/**
 * ICC colour profiles of cameras and screens, and the way from their colours to sRGB. Profiles of three primaries and tone
 * curves (matrix/TRC) and of one tone curve (grey) are computed here, at 8 and 16 bits and in any place JavaScript runs;
 * those made of tables (printers, CMYK) are not. Relative colorimetric, clipped to sRGB, as every colour engine does for
 * this kind. Layouts: specification ICC.1:2022, sections 7.2, 9.2, 10.6, 10.18 and F.3.
 */
import { createImage, type Image, maxValue, newSamples } from "../image/image.js";

/** Tone curve: sample in [0, 1] → linear light in [0, 1]. */
type Curve = (value: number) => number;
/** Rows of a 3×3 matrix. */
type Matrix = readonly (readonly [number, number, number])[];

export interface Profile {
  readonly kind: "rgb" | "grey";
  /** One for grey, three for RGB. */
  readonly curves: readonly Curve[];
  /** Linear light → XYZ at D50; of grey profiles it is not used. */
  readonly toXyz: Matrix;
  /** Whether the profile is sRGB's, but for rounding. */
  readonly isSrgb: boolean;
}

/** Primaries of sRGB adapted to D50: columns are R, G and B (IEC 61966-2-1, Bradford). */
const SRGB: Matrix = [
  [0.436066, 0.385147, 0.143066],
  [0.222488, 0.716873, 0.060608],
  [0.013916, 0.097076, 0.714096],
];
/** Profiles nearer than this to sRGB are sRGB: makers round its numbers differently. */
const SAME = 0.002;

/** Linear light → sRGB's encoding (IEC 61966-2-1). */
const encode: Curve = (linear) => (linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055);
const decode: Curve = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);

/** The profile, or undefined where it is damaged or of a kind that is made of tables. */
export function parseIcc(bytes: Uint8Array): Profile | undefined {
  try {
    return parse(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function parse(view: DataView): Profile | undefined {
  if (text(view, 36) !== "acsp" || text(view, 20) !== "XYZ ") return undefined;
  const tags = new Map<string, number>();
  for (let i = 0; i < Math.min(view.getUint32(128), 100); i++)
    tags.set(text(view, 132 + 12 * i), view.getUint32(136 + 12 * i));
  const curveOf = (tag: string) => readCurve(view, tags.get(tag));
  if (text(view, 16) === "GRAY") {
    const curve = curveOf("kTRC");
    return curve && { kind: "grey", curves: [curve], toXyz: SRGB, isSrgb: isSrgbCurve(curve) };
  }
  if (text(view, 16) !== "RGB ") return undefined;
  const curves = ["rTRC", "gTRC", "bTRC"].flatMap((tag) => curveOf(tag) ?? []);
  const columns = ["rXYZ", "gXYZ", "bXYZ"].flatMap((tag) => {
    const at = tags.get(tag);
    return at === undefined ? [] : [[8, 12, 16].map((offset) => fixed(view, at + offset))];
  });
  if (curves.length < 3 || columns.length < 3) return undefined;
  const toXyz = [0, 1, 2].map((row) => columns.map((column) => column[row])) as unknown as Matrix;
  const isSrgb =
    toXyz.every((row, i) => row.every((value, j) => Math.abs(value - (SRGB[i]?.[j] as number)) < SAME)) &&
    curves.every(isSrgbCurve);
  return { kind: "rgb", curves, toXyz, isSrgb };
}

function isSrgbCurve(curve: Curve): boolean {
  return Array.from({ length: 33 }, (_, i) => i / 32).every((value) => Math.abs(curve(value) - decode(value)) < SAME);
}

function text(view: DataView, at: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));
}

/** s15Fixed16Number. */
function fixed(view: DataView, at: number): number {
  return view.getInt32(at) / 65536;
}

function readCurve(view: DataView, at: number | undefined): Curve | undefined {
  if (at === undefined) return undefined;
  const type = text(view, at);
  if (type === "curv") return sampledCurve(view, at);
  return type === "para" ? parametricCurve(view, at) : undefined;
}

/** curveType: linear, a gamma, or samples at equal distances. */
function sampledCurve(view: DataView, at: number): Curve {
  const count = view.getUint32(at + 8);
  if (count === 0) return (value) => value;
  if (count === 1) {
    const gamma = view.getUint16(at + 12) / 256;
    return (value) => value ** gamma;
  }
  // Bounds the count by what the file holds.
  view.getUint16(at + 12 + 2 * (count - 1));
  const samples = Float64Array.from({ length: count }, (_, i) => view.getUint16(at + 12 + 2 * i) / 65535);
  return (value) => {
    const place = value * (count - 1);
    const left = Math.min(Math.floor(place), count - 2);
    const [a, b] = [samples[left] as number, samples[left + 1] as number];
    return a + (b - a) * (place - left);
  };
}

/** parametricCurveType, table 68. */
function parametricCurve(view: DataView, at: number): Curve | undefined {
  const kind = view.getUint16(at + 8);
  const count = [1, 3, 4, 5, 7][kind];
  if (count === undefined) return undefined;
  const [g = 1, a = 1, b = 0, c = 0, d = 0, e = 0, f = 0] = Array.from({ length: count }, (_, i) =>
    fixed(view, at + 12 + 4 * i),
  );
  if (kind === 0) return (x) => x ** g;
  if (kind === 1) return (x) => (x >= -b / a ? (a * x + b) ** g : 0);
  if (kind === 2) return (x) => (x >= -b / a ? (a * x + b) ** g + c : c);
  if (kind === 3) return (x) => (x >= d ? (a * x + b) ** g : c * x);
  return (x) => (x >= d ? (a * x + b) ** g + e : c * x + f);
}

/** Whether `toSrgb` can convert the image: the profile is of its kind. */
export function fitsProfile({ channels }: Image, { kind }: Profile): boolean {
  return (kind === "grey") === channels < 3;
}

/** The image in sRGB, of its own kind and depth; alpha stays. */
export function toSrgb(image: Image, profile: Profile): Image {
  if (profile.isSrgb) return image;
  const { width, height, channels, bitDepth } = image;
  const white = maxValue(image);
  const linear = profile.curves.map((curve) =>
    Float64Array.from({ length: white + 1 }, (_, value) => clamp(curve(value / white))),
  );
  const encoded = encoder(white);
  const data = newSamples(bitDepth, image.data.length);
  const colours = profile.kind === "grey" ? 1 : 3;
  const matrix = multiply(inverse(SRGB), profile.toXyz);
  const [red, green, blue] = linear as [Float64Array, Float64Array, Float64Array];
  for (let i = 0; i < width * height * channels; i += channels) {
    if (channels > colours) data[i + colours] = image.data[i + colours] as number;
    if (colours === 1) {
      data[i] = encoded(red[image.data[i] as number] as number);
      continue;
    }
    const r = red[image.data[i] as number] as number;
    const g = green[image.data[i + 1] as number] as number;
    const b = blue[image.data[i + 2] as number] as number;
    for (let c = 0; c < 3; c++) {
      const [x, y, z] = matrix[c] as readonly [number, number, number];
      data[i + c] = encoded(x * r + y * g + z * b);
    }
  }
  return createImage(width, height, channels, bitDepth, data);
}

/** Linear light → a sample of sRGB. At 8 bits a table is exact and ten times as fast. */
function encoder(white: number): Curve {
  if (white > 255) return (linear) => Math.round(white * encode(clamp(linear)));
  const steps = 2 ** 16;
  const table = Uint8Array.from({ length: steps + 1 }, (_, i) => Math.round(white * encode(i / steps)));
  return (linear) => table[Math.round(clamp(linear) * steps)] as number;
}

function clamp(value: number): number {
  return value > 0 ? Math.min(value, 1) : 0;
}

function multiply(a: Matrix, b: Matrix): Matrix {
  return a.map((row) =>
    [0, 1, 2].map((j) => row.reduce((sum, value, k) => sum + value * (b[k]?.[j] as number), 0)),
  ) as unknown as Matrix;
}

function inverse(matrix: Matrix): Matrix {
  const at = (i: number, j: number) => matrix[i % 3]?.[j % 3] as number;
  const cofactor = (i: number, j: number) => at(i + 1, j + 1) * at(i + 2, j + 2) - at(i + 1, j + 2) * at(i + 2, j + 1);
  const determinant = [0, 1, 2].reduce((sum, j) => sum + at(0, j) * cofactor(0, j), 0);
  return [0, 1, 2].map((i) => [0, 1, 2].map((j) => cofactor(j, i) / determinant)) as unknown as Matrix;
}
