/**
 * Two image files become a training sample, as the official `TrainSet` and `Trainer.prepare` do it:
 *
 *   1. with probability 1/2 image and reference change places (always done);
 *   2. contrast α in [0.7, 1.3) and brightness β in [−20, 20) change one of the two, by OpenCV's `convertScaleAbs`;
 *   3. padding to multiples of 16, downscaling by Pillow's bicubic (`trainPair`);
 *   4. image and reference are each flipped top to bottom (1/2), left to right (1/2), and turned (1/2) by a random
 *      number of quarter turns, which may be none.
 *
 * Ours: step 4 is drawn for each sample, not once for a batch, so that a sample depends on nothing but its own key. And
 * images larger than the training size (official ones are not) give a window each, at the same relative place: what
 * lies in one window then mostly lies in the other.
 */
import { createImage, cropImage, type Image, roundHalfEven, toBitDepth, toRgb } from "../image/image.js";
import { type TrainPair, trainPair } from "../image/pairs.js";
import type { Random } from "./random.js";

/** Which random changes are made; the draws are the same with and without. */
export interface Augmentation {
  /** Image and reference change places. */
  readonly exchange: boolean;
  /** Contrast and brightness. */
  readonly colour: boolean;
  /** Flips and turns; official training begins them after a warm-up of the encoder. */
  readonly geometry: boolean;
  /** Image and reference are flipped and turned alike; default each by its own draw, as officially. */
  readonly together?: boolean;
  /** The share of samples whose reference is withheld (see `Tensors`); default 0. */
  readonly dropReference?: number;
}

export const NO_AUGMENTATION: Augmentation = { exchange: false, colour: false, geometry: false };

export interface Orientation {
  readonly flipY: boolean;
  readonly flipX: boolean;
  /** Quarter turns counter-clockwise, after the flips: 0 … 3. */
  readonly turns: number;
}

/** All that is random about a sample. */
interface Draw {
  readonly exchange: boolean;
  readonly alpha: number;
  readonly beta: number;
  readonly colourOfRef: boolean;
  /** Place of the window between 0 (left, top) and 1. */
  readonly window: readonly [x: number, y: number];
  readonly hr: Orientation;
  readonly ref: Orientation;
}

function draw(random: Random): Draw {
  const exchange = random.coin();
  const alpha = random.between(0.7, 1.3);
  const beta = random.between(-20, 20);
  const colourOfRef = random.coin();
  const window = [random.uniform(), random.uniform()] as const;
  return { exchange, alpha, beta, colourOfRef, window, hr: drawOrientation(random), ref: drawOrientation(random) };
}

function drawOrientation(random: Random): Orientation {
  const [flipY, flipX, turned, turns] = [random.coin(), random.coin(), random.coin(), random.integer(4)];
  return { flipY, flipX, turns: turned ? turns : 0 };
}

/** The sample of two images of any kind, as 8-bit RGB of `size`×`size` and a quarter of it. */
export function makeSample(
  images: readonly [hr: Image, ref: Image],
  size: number,
  random: Random,
  augmentation: Augmentation,
): TrainPair {
  const drawn = draw(random);
  let [hr, ref] = images.map((image) => window(toRgb(toBitDepth(image, 8)), size, drawn.window)) as [Image, Image];
  if (augmentation.exchange && drawn.exchange) [hr, ref] = [ref, hr];
  if (augmentation.colour) {
    if (drawn.colourOfRef) ref = convertScaleAbs(ref, drawn.alpha, drawn.beta);
    else hr = convertScaleAbs(hr, drawn.alpha, drawn.beta);
  }
  const pair = trainPair(hr, ref);
  if (!augmentation.geometry) return pair;
  const ofRef = augmentation.together ? drawn.hr : drawn.ref;
  return {
    hr: orient(pair.hr, drawn.hr),
    lr: orient(pair.lr, drawn.hr),
    ref: orient(pair.ref, ofRef),
    refDown: orient(pair.refDown, ofRef),
  };
}

function window(image: Image, size: number, [x, y]: readonly [number, number]): Image {
  const [width, height] = [Math.min(size, image.width), Math.min(size, image.height)];
  if (width === image.width && height === image.height) return image;
  const left = Math.floor(x * (image.width - width + 1));
  const top = Math.floor(y * (image.height - height + 1));
  return cropImage(image, left, top, width, height);
}

/** |α·v + β|, rounded half to even, at most 255: OpenCV's function of 8-bit samples, in its float32 with fused multiply-add. */
export function convertScaleAbs({ width, height, channels, data }: Image, alpha: number, beta: number): Image {
  const [a, b] = [Math.fround(alpha), Math.fround(beta)];
  const table = Uint8ClampedArray.from({ length: 256 }, (_, v) => roundHalfEven(Math.abs(Math.fround(v * a + b))));
  return createImage(
    width,
    height,
    channels,
    8,
    new Uint8Array(data).map((v) => table[v]!),
  );
}

/** Flips, then turns. Width and height change places for an odd number of turns. */
export function orient(image: Image, { flipY, flipX, turns }: Orientation): Image {
  const { width, height, channels, bitDepth, data } = image;
  const odd = turns % 2 === 1;
  const target = createImage(odd ? height : width, odd ? width : height, channels, bitDepth);
  for (let y = 0; y < target.height; y++) {
    for (let x = 0; x < target.width; x++) {
      // Back through the turns: a counter-clockwise one took its pixel (x, y) from (width − 1 − y, x).
      let [sx, sy] = [x, y];
      if (turns === 1) [sx, sy] = [width - 1 - y, x];
      else if (turns === 2) [sx, sy] = [width - 1 - x, height - 1 - y];
      else if (turns === 3) [sx, sy] = [y, height - 1 - x];
      if (flipX) sx = width - 1 - sx;
      if (flipY) sy = height - 1 - sy;
      const [from, to] = [(sy * width + sx) * channels, (y * target.width + x) * channels];
      for (let c = 0; c < channels; c++) target.data[to + c] = data[from + c]!;
    }
  }
  return target;
}
