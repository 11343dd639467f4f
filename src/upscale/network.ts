/**
 * The one way from images to the network and from its output back to an image. Upscaling, explanations and evaluation all
 * take it.
 */

import type { BitDepth } from "../image/image.js";
import { cropImage, fromTensor, type Image, toTensor } from "../image/image.js";
import { SCALE } from "../image/pairs.js";
import type { Box } from "../image/zoom.js";
import type { Shape } from "../kernels/kernel.js";
import { type Pictures, toPlanes } from "../masa/ensemble.js";
import type { MasaInputs } from "../masa/masa.js";

/** Images of sizes that the network takes: `ref` is four times as large as `refDown`. */
export type NetworkImages = Readonly<Record<keyof MasaInputs, Image>>;

/** The shapes of the network's inputs for these images. */
export function shapesOf({ lr, ref, refDown }: NetworkImages): Record<keyof MasaInputs, Shape> {
  const shape = ({ width, height }: Image) => [1, 3, height, width];
  return { lr: shape(lr), ref: shape(ref), refDown: shape(refDown) };
}

/** The network's inputs, [3, H, W] each with its size: what an ensemble turns. */
export function planesOf({ lr, ref, refDown }: NetworkImages): Pictures {
  return { lr: toPlanes(lr), ref: toPlanes(ref), refDown: toPlanes(refDown) };
}

/** The network's inputs: [1, 3, H, W], BGR in [0, 1]. */
export function tensorsOf({ lr, ref, refDown }: NetworkImages): Record<keyof MasaInputs, Float32Array> {
  return { lr: toTensor(lr), ref: toTensor(ref), refDown: toTensor(refDown) };
}

/**
 * The picture in an output [1, 3, 4·H, 4·W] for an `lr` of H×W, in RGB: what lies in `part`, by default all. Undefined
 * where the output holds values that are infinite or NaN.
 */
export function pictureOf(
  output: ArrayLike<number>,
  lr: Image,
  { part, bitDepth = 8 }: { readonly part?: Box; readonly bitDepth?: BitDepth } = {},
): Image | undefined {
  const values = output as Float32Array;
  if (!values.every(Number.isFinite)) return undefined;
  const whole = fromTensor(values, SCALE * lr.width, SCALE * lr.height, bitDepth);
  return part ? cropImage(whole, part.left, part.top, part.width, part.height) : whole;
}

/** Mean cosine similarity of matches. */
export function similarityOf(fineScore: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < fineScore.length; i++) sum += fineScore[i] as number;
  return sum / fineScore.length;
}
