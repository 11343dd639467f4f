/**
 * What an enlargement adds to bicubic interpolation, which PSNR on Y cannot see: whether it adds colour, and where it does
 * harm. Both compare with bicubic because that is what a user has without a network.
 */
import type { Image } from "./image.js";
import { chromaPlanes, lumaPlane, type Plane, sameSize } from "./ycbcr.js";

/** Side of the blocks that `worseBlocks` judges, in pixels of the enlarged image: four of the LR image. */
export const BLOCK = 16;
/** A block is clearly worse where its mean squared error is above 1.1 times bicubic's, and more than 3 (of 255²) above it. */
const RATIO = 1.1;
const MARGIN = 3;

/**
 * The energy of Cb and Cr in `image − bicubic` over that of Y, Cb and Cr: 0 where only grey was added, or nothing. Of the
 * original, it is the share that a perfect enlargement has to add.
 */
export function colourShare(image: Image, bicubic: Image): number {
  sameSize(image, bicubic);
  const luma = energy(lumaPlane(image), lumaPlane(bicubic));
  const planes = chromaPlanes(bicubic);
  const chroma = chromaPlanes(image).reduce((sum, plane, c) => sum + energy(plane, planes[c]!), 0);
  return chroma === 0 ? 0 : chroma / (luma + chroma);
}

/**
 * The share of 16×16 blocks that are clearly worse than bicubic's: the mean squared error on Y is more than 10 % and more
 * than 3 (of 255²) above it. Both conditions matter: 10 % of the error of a flat block cannot be seen, and 3 are lost
 * in a textured one. Blocks at the right and lower border may be smaller.
 */
export function worseBlocks(image: Image, bicubic: Image, original: Image): number {
  sameSize(image, original);
  sameSize(bicubic, original);
  const { width, height } = original;
  const truth = lumaPlane(original);
  const [own, other] = [image, bicubic].map((one) => blockErrors(lumaPlane(one), truth, width, height)) as [
    Plane,
    Plane,
  ];
  const worse = own.filter((error, b) => error > RATIO * other[b]! && error - other[b]! > MARGIN);
  return worse.length / own.length;
}

function energy(a: Plane, b: Plane): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
}

/** Mean squared error of each block, row after row. */
function blockErrors(plane: Plane, truth: Plane, width: number, height: number): Plane {
  const [columns, rows] = [Math.ceil(width / BLOCK), Math.ceil(height / BLOCK)];
  return new Float64Array(columns * rows).map((_, b) => {
    const [left, top] = [BLOCK * (b % columns), BLOCK * Math.floor(b / columns)];
    const [right, bottom] = [Math.min(left + BLOCK, width), Math.min(top + BLOCK, height)];
    let sum = 0;
    for (let y = top; y < bottom; y++)
      for (let x = left; x < right; x++) sum += (plane[y * width + x]! - truth[y * width + x]!) ** 2;
    return sum / ((right - left) * (bottom - top));
  });
}
