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

/** A PNG of images of one height, side by side on white, each under its name. */
export function sheetOf(panels: readonly (readonly [name: string, image: Image])[]): Promise<Blob> {
  const gap = 8;
  const width = panels.reduce((sum, [, image]) => sum + image.width + gap, gap);
  const letters = Math.max(14, Math.round(width / 90));
  const top = 2 * letters;
  const sheet = document.createElement("canvas");
  sheet.width = width;
  sheet.height = top + gap + Math.max(...panels.map(([, { height }]) => height));
  const context = sheet.getContext("2d");
  if (!context) return Promise.reject(new Error("The comparison is too large for this browser. Save the result alone"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, sheet.width, sheet.height);
  context.fillStyle = "#222";
  context.font = `${letters}px sans-serif`;
  let left = gap;
  for (const [name, image] of panels) {
    context.fillText(name, left, 1.4 * letters, image.width);
    const canvas = document.createElement("canvas");
    draw(canvas, image);
    context.drawImage(canvas, left, top);
    left += image.width + gap;
  }
  return new Promise((resolve, reject) =>
    sheet.toBlob((file) => (file ? resolve(file) : reject(new Error("This browser cannot save the comparison")))),
  );
}

/** An element of the page, which index.html has. */
export function element<E extends Element = HTMLElement>(selector: string, within: ParentNode = document): E {
  const found = within.querySelector<E>(selector);
  if (!found) throw new Error(`index.html has no ${selector}`);
  return found;
}
