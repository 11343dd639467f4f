/**
 * Images as all code holds them, and the way into and out of the network's tensors.
 *
 * Samples are interleaved, row-major and in RGB order, as files have them. The official network was trained on OpenCV's
 * BGR: `toTensor` and `fromTensor` are the only two places that swap.
 */
import { ImageError } from "./errors.js";

/** 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha. Alpha is not premultiplied. */
export type Channels = 1 | 2 | 3 | 4;
/** Bits of a sample. */
export type BitDepth = 8 | 16;

/** Pixels in memory, row after row, the channels of a pixel side by side: grey, grey and alpha, RGB or RGBA. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: Channels;
  readonly bitDepth: BitDepth;
  /** width · height · channels samples: a Uint8Array at 8 bits, a Uint16Array at 16. */
  readonly data: Uint8Array | Uint16Array;
}

/** Pixels added to (or to be cut from) each side. */
export interface Padding {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** An image of zeros, or around `data`. Throws `ImageError` where size and data disagree. */
export function createImage(
  width: number,
  height: number,
  channels: Channels,
  bitDepth: BitDepth,
  data: Uint8Array | Uint16Array = newSamples(bitDepth, width * height * channels),
): Image {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new ImageError(`an image cannot be ${width}×${height}`, "Give a width and a height of at least 1 pixel");
  }
  const samples = width * height * channels;
  if (data.length !== samples || data.BYTES_PER_ELEMENT * 8 !== bitDepth) {
    throw new ImageError(
      `${data.length} samples of ${data.BYTES_PER_ELEMENT * 8} bits are no image of ${width}×${height}×${channels} at ${bitDepth} bits`,
      `Give ${samples} samples`,
    );
  }
  return { width, height, channels, bitDepth, data };
}

/** Throws `ImageError`, naming `name`, for what is not an image as `Image` describes it. */
export function checkImage({ width, height, channels, bitDepth, data }: Image, name: string): void {
  const fail = (problem: string, advice: string) => {
    throw new ImageError(`${name}: ${problem}`, advice);
  };
  if (![width, height].every((side) => Number.isInteger(side) && side > 0))
    fail(`an image cannot be ${width}×${height}`, "Give a width and a height of at least 1 pixel");
  if (![1, 2, 3, 4].includes(channels)) fail(`an image cannot have ${channels} channels`, "Give 1, 2, 3 or 4");
  if (bitDepth !== 8 && bitDepth !== 16) fail(`a sample cannot have ${bitDepth} bits`, "Give 8 or 16");
  const Samples = bitDepth === 8 ? Uint8Array : Uint16Array;
  if (!(data instanceof Samples) && !(bitDepth === 8 && data instanceof Uint8ClampedArray))
    fail(`its samples are a ${kindOf(data)}`, `Give a ${Samples.name} at ${bitDepth} bits`);
  if (data.length !== width * height * channels)
    fail(
      `it has ${data.length} samples, ${width}×${height}×${channels} are ${width * height * channels}`,
      "Check width, height and channels",
    );
}

function kindOf(value: unknown): string {
  return typeof value === "object" && value !== null ? value.constructor.name : typeof value;
}

/** White: 255 or 65535. */
export function maxValue(image: { bitDepth: BitDepth }): number {
  return image.bitDepth === 8 ? 255 : 65535;
}

/** Adds pixels on the four sides by repeating the border. */
export function padImage(image: Image, { top, bottom, left, right }: Padding): Image {
  if (Math.min(top, bottom, left, right) < 0) {
    throw new ImageError(
      `a padding of ${top}, ${bottom}, ${left}, ${right} is negative`,
      "Use cropImage to cut pixels off",
    );
  }
  const { width, height, channels } = image;
  const padded = createImage(width + left + right, height + top + bottom, channels, image.bitDepth);
  for (let y = 0; y < padded.height; y++) {
    const from = clamp(y - top, 0, height - 1) * width;
    const to = y * padded.width;
    for (let x = 0; x < padded.width; x++) {
      const source = (from + clamp(x - left, 0, width - 1)) * channels;
      for (let c = 0; c < channels; c++) padded.data[(to + x) * channels + c] = image.data[source + c]!;
    }
  }
  return padded;
}

/** The window of `width`×`height` pixels whose upper left corner is (left, top). */
export function cropImage(image: Image, left: number, top: number, width: number, height: number): Image {
  if (left < 0 || top < 0 || left + width > image.width || top + height > image.height) {
    throw new ImageError(
      `the window ${width}×${height} at (${left}, ${top}) leaves the image of ${image.width}×${image.height}`,
      "Choose a window inside the image",
    );
  }
  const { channels } = image;
  const window = createImage(width, height, channels, image.bitDepth);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * channels;
    window.data.set(image.data.subarray(from, from + width * channels), y * width * channels);
  }
  return window;
}

/** Lays images of one width, kind and depth below one another. */
export function stackVertically(images: readonly Image[]): Image {
  const [first] = images;
  if (first === undefined) throw new ImageError("there is no image to stack", "Give at least one");
  const { width, channels, bitDepth } = first;
  const odd = images.find((i) => i.width !== width || i.channels !== channels || i.bitDepth !== bitDepth);
  if (odd !== undefined) {
    throw new ImageError(
      `${describeImage(odd)} cannot be stacked on ${describeImage(first)}`,
      "Bring all images to one width and kind",
    );
  }
  const height = images.reduce((sum, i) => sum + i.height, 0);
  const stack = createImage(width, height, channels, bitDepth);
  let offset = 0;
  for (const { data } of images) {
    stack.data.set(data, offset);
    offset += data.length;
  }
  return stack;
}

/** Takes alpha off: grey or RGB, and alpha as a grey image of its own where there is one. */
export function splitAlpha(image: Image): { colour: Image; alpha?: Image } {
  if (image.channels === 1 || image.channels === 3) return { colour: image };
  const { width, height, bitDepth } = image;
  const channels = image.channels === 2 ? 1 : 3;
  const colour = createImage(width, height, channels, bitDepth);
  const alpha = createImage(width, height, 1, bitDepth);
  for (let i = 0; i < width * height; i++) {
    const from = i * image.channels;
    for (let c = 0; c < channels; c++) colour.data[i * channels + c] = image.data[from + c]!;
    alpha.data[i] = image.data[from + channels]!;
  }
  return { colour, alpha };
}

/** The inverse of `splitAlpha`. */
export function mergeAlpha(colour: Image, alpha: Image): Image {
  const { width, height, channels, bitDepth } = colour;
  const fits = alpha.channels === 1 && alpha.width === width && alpha.height === height && alpha.bitDepth === bitDepth;
  if ((channels !== 1 && channels !== 3) || !fits) {
    throw new ImageError(
      `${describeImage(alpha)} is no alpha for ${describeImage(colour)}`,
      "Give grey or RGB, and a grey alpha of the same size and depth",
    );
  }
  const merged = createImage(width, height, channels === 1 ? 2 : 4, bitDepth);
  for (let i = 0; i < width * height; i++) {
    const to = i * merged.channels;
    for (let c = 0; c < channels; c++) merged.data[to + c] = colour.data[i * channels + c]!;
    merged.data[to + channels] = alpha.data[i]!;
  }
  return merged;
}

/** RGB without alpha: grey is repeated, alpha dropped. */
export function toRgb(image: Image): Image {
  const { colour } = splitAlpha(image);
  if (colour.channels === 3) return colour;
  const rgb = createImage(colour.width, colour.height, 3, colour.bitDepth);
  for (let i = 0; i < rgb.data.length; i++) rgb.data[i] = colour.data[Math.trunc(i / 3)]!;
  return rgb;
}

/** Grey without alpha, by the luma of ITU-R BT.601 in 16-bit fixed point; exact for images whose channels are equal. */
export function toGrey(image: Image): Image {
  const { colour } = splitAlpha(image);
  if (colour.channels === 1) return colour;
  const grey = createImage(colour.width, colour.height, 1, colour.bitDepth);
  for (let i = 0; i < grey.data.length; i++) {
    const [r, g, b] = [colour.data[3 * i]!, colour.data[3 * i + 1]!, colour.data[3 * i + 2]!];
    grey.data[i] = Math.floor((19595 * r + 38470 * g + 7471 * b + 32768) / 65536);
  }
  return grey;
}

/** The image at another depth: v·257 upwards, rounded v/257 downwards, so that 8 → 16 → 8 bits changes nothing. */
export function toBitDepth(image: Image, bitDepth: BitDepth): Image {
  if (image.bitDepth === bitDepth) return image;
  const { width, height, channels } = image;
  const data = newSamples(bitDepth, image.data.length);
  for (let i = 0; i < data.length; i++) {
    data[i] = bitDepth === 16 ? image.data[i]! * 257 : Math.round(image.data[i]! / 257);
  }
  return createImage(width, height, channels, bitDepth, data);
}

/** [3, H, W] float32 in [0, 1], **BGR**; grey is repeated, alpha dropped. Value / 255 (or 65535), rounded once to float32. */
export function toTensor(image: Image): Float32Array {
  const { width, height, data } = toRgb(image);
  const plane = width * height;
  const white = maxValue(image);
  const tensor = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) tensor[(2 - c) * plane + i] = data[3 * i + c]! / white;
  }
  return tensor;
}

/**
 * RGB from [3, H, W] float32 in **BGR**, as the official `tensor2img`: clamped to [0, 1], times 255 (or 65535) in
 * float32, rounded half to even.
 */
export function fromTensor(tensor: Float32Array, width: number, height: number, bitDepth: BitDepth = 8): Image {
  const plane = width * height;
  if (tensor.length !== 3 * plane) {
    throw new ImageError(`${tensor.length} values are no tensor [3, ${height}, ${width}]`, `Give ${3 * plane} values`);
  }
  const white = maxValue({ bitDepth });
  const image = createImage(width, height, 3, bitDepth);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) {
      const value = clamp(tensor[(2 - c) * plane + i]!, 0, 1);
      image.data[3 * i + c] = roundHalfEven(Math.fround(value * white));
    }
  }
  return image;
}

/** The nearest integer of a value ≥ 0; of two equally near, the even one (as numpy and PyTorch round). */
export function roundHalfEven(value: number): number {
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 === 1 ? up - 1 : up;
}

/** "64×48 RGB, 8 bits". */
export function describeImage({ width, height, channels, bitDepth }: Image): string {
  return `${width}×${height} ${["", "grey", "grey with alpha", "RGB", "RGB with alpha"][channels]}, ${bitDepth} bits`;
}

export function newSamples(bitDepth: BitDepth, length: number): Uint8Array | Uint16Array {
  return bitDepth === 8 ? new Uint8Array(length) : new Uint16Array(length);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
