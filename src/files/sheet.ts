/** Comparison sheets: images in rows, each under its caption. */
import sharp, { type OverlayOptions } from "sharp";
import { createImage, type Image, padImage, stackVertically, toBitDepth, toRgb } from "../image/image.js";
import { ImageError } from "./errors.js";

const GAP = 8;
/** Height of a caption and size of its letters on sheets up to `READABLE` pixels wide; on wider ones they grow with it. */
const CAPTION_HEIGHT = 28;
const FONT_SIZE = 15;
const READABLE = 1280;
/** Width of a letter over the font's size, generously: captions shrink, all alike, to fit their images. */
const LETTER_WIDTH = 0.62;

/** An image of a sheet, and the words below it. */
export interface Panel {
  readonly image: Image;
  readonly caption: string;
}

/**
 * Lays images side by side on white, 8-bit RGB, those of a row of one height; further rows below. Captions use a system
 * font; where there is none they stay away. Throws `ImageError` for no images, or different heights in a row.
 */
export async function comparisonSheet(...rows: readonly (readonly Panel[])[]): Promise<Image> {
  const sheets: Image[] = [];
  for (const panels of rows) sheets.push(await sheetRow(panels));
  const width = Math.max(...sheets.map((sheet) => sheet.width));
  // The border of a row is white, and so is what it is padded with.
  return stackVertically(sheets.map((one) => padImage(one, { top: 0, bottom: 0, left: 0, right: width - one.width })));
}

async function sheetRow(panels: readonly Panel[]): Promise<Image> {
  const height = panels[0]?.image.height;
  if (height === undefined) throw new ImageError("a comparison sheet needs images", "Give at least one");
  const odd = panels.find(({ image }) => image.height !== height);
  if (odd !== undefined) {
    throw new ImageError(
      `"${odd.caption}" is ${odd.image.height} pixels high, "${panels[0]!.caption}" ${height}`,
      "Resize the images to one height first",
    );
  }
  const layers: OverlayOptions[] = [];
  const total = panels.reduce((sum, { image }) => sum + image.width + GAP, GAP);
  const enlarged = Math.max(1, total / READABLE);
  const captionHeight = Math.round(CAPTION_HEIGHT * enlarged);
  const fontSize = Math.min(
    FONT_SIZE * enlarged,
    ...panels.map(({ image, caption }) => image.width / (LETTER_WIDTH * Math.max(caption.length, 1))),
  );
  let left = GAP;
  for (const { image, caption } of panels) {
    const { width, data } = toBitDepth(toRgb(image), 8);
    layers.push({ input: captionSvg(caption, width, captionHeight, fontSize), left, top: 0 });
    layers.push({ input: Buffer.from(data), raw: { width, height, channels: 3 }, left, top: captionHeight });
    left += width + GAP;
  }
  const size = { width: left, height: captionHeight + height + GAP };
  const canvas = sharp({ create: { ...size, channels: 3, background: "white" } });
  const pixels = await canvas.composite(layers).removeAlpha().raw().toBuffer();
  return createImage(size.width, size.height, 3, 8, new Uint8Array(pixels));
}

/** The image with a drawing of its size, SVG, laid over it; 8-bit RGB. */
export async function drawOver(image: Image, svg: string): Promise<Image> {
  const { width, height, data } = toBitDepth(toRgb(image), 8);
  const canvas = sharp(Buffer.from(data), { raw: { width, height, channels: 3 } });
  const pixels = await canvas
    .composite([{ input: Buffer.from(svg) }])
    .removeAlpha()
    .raw()
    .toBuffer();
  return createImage(width, height, 3, 8, new Uint8Array(pixels));
}

function captionSvg(caption: string, width: number, height: number, fontSize: number): Buffer {
  // XML has no place for control characters and halves of surrogate pairs, which file names may have.
  const visible = caption.replace(/\p{Cc}|\p{Cs}/gu, "\ufffd");
  const text = visible.replace(/[<>&]/g, (character) => `&#${character.charCodeAt(0)};`);
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
      `<text x="0" y="${Math.round(0.68 * height)}" font-family="sans-serif" font-size="${fontSize}" fill="#222">${text}</text></svg>`,
  );
}
