/** Colours of transparent pixels, which nobody sees but a filter does. */
import { ImageError } from "./errors.js";
import { createImage, type Image, maxValue, mergeAlpha, splitAlpha } from "./image.js";
import { resizeBicubic } from "./resize.js";

/**
 * The image without alpha, grey or RGB, in which fully transparent pixels have the mean colour of the visible ones next to
 * them, and so on outwards. What was hidden there (often black) has no influence on what is computed from the result. An
 * image that is transparent everywhere becomes grey of half the range.
 */
export function visibleColour(image: Image): Image {
  const { colour, alpha } = splitAlpha(image);
  if (!alpha || alpha.data.every((value) => value > 0)) return colour;
  const { width, height, channels } = colour;
  const data = colour.data.slice();
  const known = Uint8Array.from(alpha.data, (value) => (value > 0 ? 1 : 0));
  let front: number[] = [];
  for (let i = 0; i < known.length; i++) if (!known[i] && nearby(i, width, height).some((j) => known[j])) front.push(i);
  if (front.length === 0) data.fill(Math.round(maxValue(image) / 2));
  while (front.length > 0) {
    for (const i of front) {
      const sources = nearby(i, width, height).filter((j) => known[j]);
      for (let c = 0; c < channels; c++) {
        const sum = sources.reduce((total, j) => total + (data[j * channels + c] as number), 0);
        data[i * channels + c] = Math.round(sum / sources.length);
      }
    }
    for (const i of front) known[i] = 1;
    const next = new Set<number>();
    for (const i of front) for (const j of nearby(i, width, height)) if (!known[j]) next.add(j);
    front = [...next];
  }
  return createImage(width, height, channels, image.bitDepth, data);
}

/** The up to eight pixels around one. */
function nearby(i: number, width: number, height: number): number[] {
  const [x, y] = [i % width, Math.floor(i / width)];
  const pixels: number[] = [];
  for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++)
    for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++)
      if (u !== x || v !== y) pixels.push(v * width + u);
  return pixels;
}

/** `resizeBicubic` by what is seen: colours hidden under transparent pixels do not bleed into visible ones. */
export function resizeVisible(image: Image, width: number, height: number): Image {
  const { alpha } = splitAlpha(image);
  const colour = resizeBicubic(visibleColour(image), width, height);
  return alpha ? mergeAlpha(colour, resizeBicubic(alpha, width, height)) : colour;
}

/** Red, green and blue, 0 to 255. */
export type Colour = readonly [red: number, green: number, blue: number];

/** The image laid on a ground of one colour: grey or RGB without alpha. */
export function flatten(image: Image, background: Colour): Image {
  const { colour, alpha } = splitAlpha(image);
  if (!alpha) return image;
  const { width, height, channels, bitDepth } = colour;
  const white = maxValue(image);
  const [red, green, blue] = background;
  // A grey image on a coloured ground is no grey image.
  const result = createImage(width, height, channels === 1 && red === green && green === blue ? 1 : 3, bitDepth);
  for (let i = 0; i < width * height; i++) {
    const share = (alpha.data[i] as number) / white;
    for (let c = 0; c < result.channels; c++) {
      const over = colour.data[i * channels + Math.min(c, channels - 1)] as number;
      const ground = ((background[c] as number) * white) / 255;
      result.data[i * result.channels + c] = Math.round(over * share + ground * (1 - share));
    }
  }
  return result;
}

const NAMED: Readonly<Record<string, Colour>> = { white: [255, 255, 255], black: [0, 0, 0], grey: [128, 128, 128] };

/** Reads "white", "black", "grey" or "#rrggbb". Throws `ImageError`. */
export function parseColour(text: string): Colour {
  const named = NAMED[text.toLowerCase()];
  if (named) return named;
  const digits = /^#?([0-9a-f]{6})$/i.exec(text)?.[1];
  if (!digits) throw new ImageError(`'${text}' is not a colour`, "Give white, black, grey or #rrggbb, as #ff8000");
  return [0, 2, 4].map((at) => Number.parseInt(digits.slice(at, at + 2), 16)) as unknown as Colour;
}
