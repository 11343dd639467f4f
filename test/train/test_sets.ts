/** Tiny test sets in every layout, and a network small enough to run on them. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Image } from "../../src/image/image.js";
import { resizeBicubic } from "../../src/image/resize.js";
import { noise, put } from "../data/files.js";

export const NETWORK = { channels: 8, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] } as const;

export const LAYOUTS = ["CUFED5", "Sun80", "Urban100", "pairs.csv"] as const;
export type Layout = (typeof LAYOUTS)[number];

interface Files {
  readonly hr: Image;
  readonly refs: readonly Image[];
}

/** Soft patterns: of noise, a network and bicubic make nothing but errors. */
export function pattern(seed: number, width: number, height: number): Image {
  return resizeBicubic(noise(seed, Math.ceil(width / 5), Math.ceil(height / 5)), width, height);
}

/** Two images of odd sizes; the first has two references, where the layout allows. Sun80's second has only one. */
export async function putLayout(layout: Layout, folder: string): Promise<[Files, Files]> {
  const [a, b] = [pattern(1, 45, 37), pattern(2, 40, 64)];
  const refs = [pattern(3, 50, 33), pattern(4, 41, 60)];
  const one = refs.slice(0, 1);
  const save = (image: Image, ...path: readonly string[]) => put(image, folder, ...path);
  switch (layout) {
    case "CUFED5":
      for (const [i, image] of [a, ...refs].entries()) await save(image, `000_${i}.png`);
      for (const [i, image] of [b, ...refs].entries()) await save(image, `001_${i}.png`);
      return [
        { hr: a, refs },
        { hr: b, refs },
      ];
    case "Sun80": {
      await save(a, "Sun_Hays_SR_groundtruth/a.png");
      await save(b, "Sun_Hays_SR_groundtruth/b.png");
      for (const [i, image] of refs.entries()) await save(image, `Sun_Hays_SR_scenematches/a.png/${i}.png`);
      await save(refs[0] as Image, "Sun_Hays_SR_scenematches/b.png/0.png");
      return [
        { hr: a, refs },
        { hr: b, refs: one },
      ];
    }
    case "Urban100": {
      const [large, larger] = [pattern(5, 100, 120), pattern(6, 128, 90)];
      await save(large, "img_a.png");
      await save(larger, "img_b.png");
      return [
        { hr: large, refs: [] },
        { hr: larger, refs: [] },
      ];
    }
    case "pairs.csv": {
      // Equal names in two folders.
      for (const [path, image] of Object.entries({ "x/a.png": a, "y/a.png": b, "ref.png": refs[0] as Image }))
        await save(image, path);
      await writeFile(join(folder, "pairs.csv"), "hr,ref\nx/a.png,ref.png\ny/a.png,ref.png\n");
      return [
        { hr: a, refs: one },
        { hr: b, refs: one },
      ];
    }
  }
}
