/** A sheet to see at a glance what the network has learnt: for each sample bicubic | result | truth | reference. */
import { comparisonSheet, type Panel } from "../../files/sheet.js";
import type { Image } from "../../image/image.js";
import { resizeBicubic } from "../../image/resize.js";

/** Widest row of images in pixels; larger ones are shrunk together. */
const MAX_WIDTH = 2048;
const NAME_LENGTH = 24;

export interface Sample {
  /** What the pair is called, as its file. */
  readonly name: string;
  /** The LR enlarged by bicubic, the network's result and the truth: of one size. */
  readonly bicubic: Image;
  readonly sr: Image;
  readonly hr: Image;
  /** Any size: it is shown at the height of the others. */
  readonly ref: Image;
  /** Of the result, in dB. */
  readonly psnr?: number;
}

/** A row for each sample, 8-bit RGB. Throws `ImageError` for no samples and for different heights in one. */
export function sampleSheet(samples: readonly Sample[]): Promise<Image> {
  return comparisonSheet(...samples.map(sampleRow));
}

function sampleRow({ name, bicubic, sr, hr, ref, psnr }: Sample): Panel[] {
  const reference = scaled(ref, hr.height / ref.height);
  const scale = Math.min(1, MAX_WIDTH / (bicubic.width + sr.width + hr.width + reference.width));
  return [
    { image: scaled(bicubic, scale), caption: `${shortened(name)}: bicubic` },
    { image: scaled(sr, scale), caption: psnr === undefined ? "result" : `result, ${psnr.toFixed(2)} dB` },
    { image: scaled(hr, scale), caption: "truth" },
    { image: scaled(ref, (hr.height / ref.height) * scale), caption: "reference" },
  ];
}

function scaled(image: Image, scale: number): Image {
  const size = (pixels: number) => Math.max(1, Math.round(pixels * scale));
  return resizeBicubic(image, size(image.width), size(image.height));
}

/** Captions shrink to fit: of a long name its end, which tells samples apart. */
function shortened(name: string): string {
  return name.length > NAME_LENGTH ? `…${name.slice(1 - NAME_LENGTH)}` : name;
}
