/** Where a photograph shows detail: many have a blurred background, from which nothing can be learned. */
import { type Image, toGrey } from "../image/image.js";
import type { Quad } from "./warp.js";

/** Side of the blocks that are judged, in pixels. */
const BLOCK = 32;
/** A block whose grey Laplacian has more variance is sharp. Out-of-focus parts lie below 30, foliage and bricks far above. */
const SHARP = 100;

export class SharpnessMap {
  readonly #columns: number;
  readonly #sharp: readonly boolean[];

  constructor(photo: Image) {
    const grey = toGrey(photo);
    this.#columns = Math.floor(photo.width / BLOCK);
    const rows = Math.floor(photo.height / BLOCK);
    this.#sharp = Array.from(
      { length: this.#columns * rows },
      (_, i) => laplacianVariance(grey, BLOCK * (i % this.#columns), BLOCK * Math.floor(i / this.#columns)) > SHARP,
    );
  }

  /** The share of sharp blocks among those whose centres lie in the box around a quadrilateral. */
  share(corners: Quad): number {
    const blocks = (axis: 0 | 1) => {
      const places = corners.map((corner) => corner[axis] / BLOCK - 0.5);
      return [Math.ceil(Math.min(...places)), Math.floor(Math.max(...places))] as const;
    };
    const [left, right] = blocks(0);
    const [top, bottom] = blocks(1);
    let [sharp, all] = [0, 0];
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= Math.min(right, this.#columns - 1); x++) {
        if (this.#sharp[y * this.#columns + x]) sharp++;
        all++;
      }
    }
    return all === 0 ? 0 : sharp / all;
  }
}

/** Variance of 4·v − its four neighbours inside the block at (left, top). */
function laplacianVariance({ width, data }: Image, left: number, top: number): number {
  let [sum, squares] = [0, 0];
  for (let y = top + 1; y < top + BLOCK - 1; y++) {
    for (let x = left + 1; x < left + BLOCK - 1; x++) {
      const i = y * width + x;
      const value = 4 * data[i]! - data[i - 1]! - data[i + 1]! - data[i - width]! - data[i + width]!;
      sum += value;
      squares += value * value;
    }
  }
  const count = (BLOCK - 2) ** 2;
  return squares / count - (sum / count) ** 2;
}
