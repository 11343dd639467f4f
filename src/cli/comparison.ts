/** The sheet or the page of `masa upscale --compare`. */
import { writeFileAtomic } from "../files/atomic.js";
import { comparisonPage } from "../files/comparison_page.js";
import { writeImage } from "../files/images.js";
import { comparisonSheet, type Panel } from "../files/sheet.js";
import type { Image } from "../image/image.js";
import { psnrY } from "../image/metrics.js";
import { resizeBicubic } from "../image/resize.js";
import { framed, mostChanged, zoomed } from "../image/zoom.js";

export interface Compared {
  readonly bicubic: Image;
  readonly image: Image;
  /** The references' pixels where they were matched. */
  readonly matched: Image;
  /** The first reference, of any size. */
  readonly ref: Image;
  /** The true picture, if it is known. */
  readonly hr?: Image | undefined;
}

/** Whether `--compare` with this name makes a page; otherwise it makes a sheet. */
export function isPage(path: string): boolean {
  return /\.html?$/i.test(path);
}

/** The sheet, or the page where `path` ends in .html. `note` goes on the page. Throws `OutputError`. */
export async function writeComparison(path: string, note: string, compared: Compared): Promise<void> {
  if (!isPage(path)) return writeSheet(path, compared);
  const { bicubic, image, matched, hr } = compared;
  const result = { image, caption: "MASA" };
  const before = [
    { image: bicubic, caption: "bicubic" },
    { image: matched, caption: "the reference, as matched" },
    ...(hr ? [{ image: hr, caption: "the original" }] : []),
  ];
  await writeFileAtomic(
    path,
    Buffer.from(comparisonPage("Enlarged with the detail of a reference", note, before, result)),
  );
}

/**
 * bicubic | result | the true picture | reference, in which the part that the network changed most is framed; below, that
 * part enlarged, of the reference as it was matched.
 */
async function writeSheet(path: string, { bicubic, image, matched, ref, hr }: Compared): Promise<void> {
  const part = mostChanged(bicubic, image);
  const titled = (caption: string, shown: Image) => (hr ? `${caption}, ${psnrY(shown, hr).toFixed(2)} dB` : caption);
  const pictures = [
    { image: bicubic, caption: titled("bicubic", bicubic) },
    { image, caption: titled("MASA", image) },
    ...(hr ? [{ image: hr, caption: "original" }] : []),
  ];
  const row = (show: (image: Image) => Image, last: Panel): Panel[] => [
    ...pictures.map((panel) => ({ ...panel, image: show(panel.image) })),
    last,
  ];
  const whole = row((shown) => framed(shown, part), { image: atHeight(ref, image.height), caption: "reference" });
  const parts = row((shown) => zoomed(shown, part), {
    image: zoomed(matched, part),
    caption: "reference, as matched",
  }).map((panel, i) => (i < pictures.length ? { ...panel, caption: "" } : panel));
  await writeImage(path, await comparisonSheet(whole, parts));
}

function atHeight(image: Image, height: number): Image {
  if (image.height === height) return image;
  return resizeBicubic(image, Math.max(1, Math.round((image.width * height) / image.height)), height);
}
