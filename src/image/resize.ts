/**
 * Pillow's BICUBIC, the resampling of the data sets: Keys' cubic with a = −0.5 (R. Keys, "Cubic convolution
 * interpolation for digital image processing", 1981), widened by the scale when shrinking (antialiasing), a horizontal
 * pass, then a vertical one. This is not the network's own bicubic (a = −0.75, no antialiasing).
 *
 * At 8 bits Pillow computes in integers, which is what makes its result reproducible: weights of 22 fractional bits,
 * and samples rounded and clipped to 8 bits after each pass. This file equals it in every bit. At 16 bits the same
 * filter runs in floating point and is rounded once.
 */
import { ImageError } from "./errors.js";
import { createImage, type Image, maxValue, roundHalfEven } from "./image.js";

const FRACTION_BITS = 22;

/** From `size` input positions: for each output position the first one it sees and the weights from there on. */
interface Taps {
  readonly size: number;
  readonly first: Int32Array;
  readonly weights: readonly Float64Array[];
}

/** Resizes to `width`×`height`, each channel by itself. A pass is left out where the size stays the same. */
export function resizeBicubic(image: Image, width: number, height: number): Image {
  const { channels, bitDepth } = image;
  if (!(width >= 1 && height >= 1)) {
    throw new ImageError(
      `an image of ${image.width}×${image.height} cannot become ${width}×${height}`,
      "Give a larger image",
    );
  }
  const pass = bitDepth === 8 ? fixedPass : floatPass;
  let samples: Samples = image.data;
  if (width !== image.width) samples = pass(samples, image.height, channels, taps(image.width, width));
  // Vertically a row is one wide pixel: the same pass, with width · channels "channels".
  if (height !== image.height) samples = pass(samples, 1, width * channels, taps(image.height, height));
  return createImage(width, height, channels, bitDepth, bitDepth === 8 ? new Uint8Array(samples) : toUint16(samples));
}

type Samples = Uint8Array | Uint16Array | Uint8ClampedArray | Float64Array;

/** Pillow's arithmetic: integer weights, 8 bits after the pass. All sums are below 2³¹. */
function fixedPass(source: Samples, lines: number, channels: number, { size, first, weights }: Taps): Samples {
  const fixed = weights.map((w) => w.map((v) => Math.trunc(v * 2 ** FRACTION_BITS + (v < 0 ? -0.5 : 0.5))));
  const sums = floatPass(source, lines, channels, { size, first, weights: fixed });
  const half = 1 << (FRACTION_BITS - 1);
  return new Uint8ClampedArray(sums.map((sum) => (sum + half) >> FRACTION_BITS));
}

/** [lines, taps.size, channels] → the weighted sums [lines, taps.first.length, channels]. */
function floatPass(source: Samples, lines: number, channels: number, { size, first, weights }: Taps): Float64Array {
  const target = new Float64Array(lines * first.length * channels);
  let to = 0;
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < first.length; i++) {
      const w = weights[i]!;
      const from = (line * size + first[i]!) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < w.length; k++) sum += source[from + k * channels + c]! * w[k]!;
        target[to++] = sum;
      }
    }
  }
  return target;
}

function toUint16(values: Samples): Uint16Array {
  const white = maxValue({ bitDepth: 16 });
  const target = new Uint16Array(values.length);
  for (let i = 0; i < target.length; i++) target[i] = roundHalfEven(Math.min(Math.max(values[i]!, 0), white));
  return target;
}

/** The weights of a change from `size` to `target` samples; each set sums to 1. */
function taps(size: number, target: number): Taps {
  const scale = size / target;
  const stretch = Math.max(scale, 1);
  const support = 2 * stretch;
  const first = new Int32Array(target);
  const weights: Float64Array[] = [];
  for (let i = 0; i < target; i++) {
    const centre = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support + 0.5), size);
    const w = Float64Array.from({ length: end - start }, (_, k) => cubic((start + k - centre + 0.5) * (1 / stretch)));
    const sum = w.reduce((a, b) => a + b, 0);
    first[i] = start;
    weights.push(w.map((v) => v / sum));
  }
  return { size, first, weights };
}

/** Keys' kernel with a = −0.5. */
function cubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}
