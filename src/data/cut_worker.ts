/** The thread that cuts pairs out of photographs. What it gives depends on the task alone. */
import { ImageError } from "../files/errors.js";
import { readImage } from "../files/images.js";
import { encodePng } from "../files/png.js";
import { type Image, toBitDepth, toRgb } from "../image/image.js";
import { resizeBicubic } from "../image/resize.js";
import type { CutPair, CutResult, CutTask } from "./cut.js";
import { serve } from "./pool.js";
import { Random } from "./random.js";
import { SharpnessMap } from "./sharpness.js";
import { chooseViews } from "./views.js";
import { renderView } from "./warp.js";

/**
 * Photos are first shrunk to this longer side, or to four views if that is more: the pixels of cameras are soft and
 * noisy, and of a photo of 6000 pixels 160 show nothing.
 */
const PHOTO_SIDE = 1024;

interface Prepared {
  readonly path: string;
  readonly photo: Image;
  readonly sharp: SharpnessMap;
}

/** Successive tasks mostly cut the same photo. */
let last: Prepared | undefined;

serve(async ({ path, indices, seed, size }: CutTask): Promise<{ result: CutResult; transfer: [] }> => {
  const pairs: CutPair[] = [];
  try {
    if (last?.path !== path) last = await prepare(path, Math.max(PHOTO_SIDE, 4 * size));
    const { photo, sharp } = last;
    for (const index of indices) {
      const views = chooseViews(photo, sharp, size, new Random({ seed, epoch: 0, sample: index }));
      if (views === undefined) continue;
      const [input, ref] = [views.input, views.ref].map((view) => encodePng(renderView(photo, view, size)));
      pairs.push({ index, views, input: input!, ref: ref! });
    }
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    return { result: { pairs, reason: error.problem.replace(`${path} `, "") }, transfer: [] };
  }
  const reason = pairs.length < indices.length ? "is too small, or too little of it is sharp" : undefined;
  return { result: { pairs, reason }, transfer: [] };
});

async function prepare(path: string, longest: number): Promise<Prepared> {
  const image = toRgb(toBitDepth(await readImage(path), 8));
  const scale = longest / Math.max(image.width, image.height);
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(scale * side)));
  const photo = scale < 1 ? resizeBicubic(image, width!, height!) : image;
  return { path, photo, sharp: new SharpnessMap(photo) };
}
