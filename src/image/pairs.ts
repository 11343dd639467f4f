/**
 * Preparation of image pairs exactly as the official data sets do it (`TestSet`, `TestSet_multi`, `TrainSet`): borders
 * are repeated to sizes the network can take, low resolution comes from the padded image by Pillow's bicubic.
 */
import { ImageError } from "./errors.js";
import { describeImage, type Image, type Padding, padImage, stackVertically } from "./image.js";
import { resizeBicubic } from "./resize.js";

/** The network's factor between low and high resolution. */
export const SCALE = 4;
/** Evaluation pads the high-resolution image to multiples of this, half on each side. */
export const HR_MULTIPLE = 32;
/** References, and images of the training set, are padded at the bottom and the right to multiples of this. */
export const REF_MULTIPLE = 16;
/** Several references are each padded to a square of this size, then stacked. */
export const STACKED_REF_SIZE = 512;

export interface TrainPair {
  readonly hr: Image;
  readonly lr: Image;
  readonly ref: Image;
  readonly refDown: Image;
}

export interface TestPair extends TrainPair {
  /** What was added around `original` to make `hr`; the output is cut back by it. */
  readonly padding: Padding;
  /** The image without padding: what the output is compared with. */
  readonly original: Image;
}

/** Repeats the border on all four sides up to the next multiple; the odd pixel goes to the bottom and the right. */
export function padCentred(image: Image, multiple: number): { image: Image; padding: Padding } {
  return centre(image, roundUp(image.width, multiple), roundUp(image.height, multiple));
}

/** Repeats the last row and column up to the next multiple. */
export function padEnd(image: Image, multiple: number): Image {
  const bottom = roundUp(image.height, multiple) - image.height;
  const right = roundUp(image.width, multiple) - image.width;
  return bottom + right === 0 ? image : padImage(image, { top: 0, bottom, left: 0, right });
}

/** A quarter of the size, rounded down, by Pillow's bicubic. */
export function downscale(image: Image): Image {
  return resizeBicubic(image, Math.floor(image.width / SCALE), Math.floor(image.height / SCALE));
}

/** The official `TestSet`. */
export function testPair(original: Image, reference: Image): TestPair {
  const { image: hr, padding } = padCentred(original, HR_MULTIPLE);
  const ref = padEnd(reference, REF_MULTIPLE);
  return { original, padding, hr, lr: downscale(hr), ref, refDown: downscale(ref) };
}

/** The official `TestSet_multi`: several references become one. */
export function testPairMulti(original: Image, references: readonly Image[]): TestPair {
  return testPair(original, stackReferences(references));
}

/** The official `TrainSet`, without its random exchange and augmentation. */
export function trainPair(image: Image, reference: Image): TrainPair {
  const hr = padEnd(image, REF_MULTIPLE);
  const ref = padEnd(reference, REF_MULTIPLE);
  return { hr, lr: downscale(hr), ref, refDown: downscale(ref) };
}

/** Centres each reference in a canvas by repeating its border and stacks the canvases; the official one is 512×512. */
export function stackReferences(
  references: readonly Image[],
  width = STACKED_REF_SIZE,
  height = STACKED_REF_SIZE,
): Image {
  const canvases = references.map((reference, i) => {
    if (reference.width > width || reference.height > height) {
      throw new ImageError(
        `reference ${i + 1} of ${references.length} (${describeImage(reference)}) is larger than ${width}×${height}, the room each of several references has`,
        "Crop or shrink it, or give it as the only reference",
      );
    }
    return centre(reference, width, height).image;
  });
  return stackVertically(canvases);
}

function centre(image: Image, width: number, height: number): { image: Image; padding: Padding } {
  const top = Math.floor((height - image.height) / 2);
  const left = Math.floor((width - image.width) / 2);
  const padding = { top, bottom: height - image.height - top, left, right: width - image.width - left };
  const unchanged = width === image.width && height === image.height;
  return { image: unchanged ? image : padImage(image, padding), padding };
}

function roundUp(size: number, multiple: number): number {
  return Math.ceil(size / multiple) * multiple;
}
