/** Images on canvases. */
import type { Image } from "../src/browser/index.js";

/** Gives the canvas the image's size and pixels, 16 bits rounded to 8. */
export function draw(canvas: HTMLCanvasElement, { width, height, channels, bitDepth, data }: Image): void {
  canvas.width = width;
  canvas.height = height;
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  const scale = bitDepth === 16 ? 1 / 257 : 1;
  const grey = channels < 3;
  for (let i = 0; i < width * height; i++) {
    const from = i * channels;
    for (let c = 0; c < 3; c++) rgba[4 * i + c] = scale * (data[grey ? from : from + c] as number);
    if (channels % 2 === 0) rgba[4 * i + 3] = scale * (data[from + channels - 1] as number);
  }
  canvas.getContext("2d")?.putImageData(new ImageData(rgba, width, height), 0, 0);
}

/** An element of the page, which index.html has. */
export function element<E extends Element = HTMLElement>(selector: string, within: ParentNode = document): E {
  const found = within.querySelector<E>(selector);
  if (!found) throw new Error(`index.html has no ${selector}`);
  return found;
}
