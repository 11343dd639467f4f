/** A part of a picture, enlarged to be looked at pixel by pixel. */
import { createImage, cropImage, type Image, maxValue } from "./image.js";

/** A part of an image, in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Side of a part that is looked at, as a share of the image's. */
const SHARE = 4;

/** Where two images of one size and kind differ most: a quarter of the width by a quarter of the height. */
export function mostChanged(a: Image, b: Image): Box {
  const width = Math.ceil(a.width / SHARE);
  const height = Math.ceil(a.height / SHARE);
  const sums = integral(a, b);
  const row = a.width + 1;
  const sum = (left: number, top: number) => {
    const [upper, lower] = [top * row + left, (top + height) * row + left];
    return sums[lower + width]! - sums[lower]! - sums[upper + width]! + sums[upper]!;
  };
  let best = { left: 0, top: 0 };
  for (let top = 0; top + height <= a.height; top++)
    for (let left = 0; left + width <= a.width; left++)
      if (sum(left, top) > sum(best.left, best.top)) best = { left, top };
  return { ...best, width, height };
}

/** At (y, x) the sum of |a − b| over all pixels above y and left of x. */
function integral({ width, height, channels, data }: Image, b: Image): Float64Array {
  const sums = new Float64Array((width + 1) * (height + 1));
  for (let y = 0; y < height; y++) {
    let line = 0;
    for (let x = 0; x < width; x++) {
      const pixel = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) line += Math.abs(data[pixel + c]! - b.data[pixel + c]!);
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1]! + line;
    }
  }
  return sums;
}

/** The part of the image, each pixel a square of pixels, as large as the image where its sides are multiples of 4. */
export function zoomed(image: Image, { left, top, width, height }: Box): Image {
  const part = cropImage(image, left, top, width, height);
  const { channels } = part;
  const large = createImage(SHARE * width, SHARE * height, channels, part.bitDepth);
  for (let i = 0; i < large.data.length; i++) {
    const [pixel, c] = [Math.floor(i / channels), i % channels];
    const [y, x] = [Math.floor(pixel / large.width / SHARE), Math.floor((pixel % large.width) / SHARE)];
    large.data[i] = part.data[(y * width + x) * channels + c]!;
  }
  return large;
}

/** The image with a white line around a part of it, on the part's outermost pixels. */
export function framed(image: Image, { left, top, width, height }: Box): Image {
  const copy = { ...image, data: image.data.slice() };
  for (let y = top; y < top + height; y++)
    for (let x = left; x < left + width; x++)
      if (y === top || y === top + height - 1 || x === left || x === left + width - 1)
        copy.data.fill(
          maxValue(image),
          (y * image.width + x) * image.channels,
          (y * image.width + x + 1) * image.channels,
        );
  return copy;
}
