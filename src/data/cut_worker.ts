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
import { chooseViews, drawKind, type Scene } from "./views.js";
import { renderView } from "./warp.js";

/**
 * Photos are first shrunk to this longer side, or to four views if that is more: the pixels of cameras are soft and
 * noisy, and of a photo of 6000 pixels 160 show nothing.
 */
const PHOTO_SIDE = 1024;

interface Prepared extends Scene {
  readonly path: string;
  readonly photo: Image;
}

/** Successive tasks mostly cut the same photo, and take unrelated references from the same other one. */
const prepared: Prepared[] = [];
const PREPARED = 2;

serve(async ({ path, other, indices, seed, size, shares }: CutTask): Promise<{ result: CutResult; transfer: [] }> => {
  const pairs: CutPair[] = [];
  try {
    for (const index of indices) {
      const scene = await prepare(path, size);
      const kind = drawKind(new Random({ seed, epoch: 1, sample: index }).uniform(), shares);
      const elsewhere = kind === "other" ? await prepareOther(other, size) : scene;
      const random = new Random({ seed, epoch: 0, sample: index });
      const views = chooseViews(scene, size, random, kind === "other" && !elsewhere ? "part" : kind, elsewhere);
      if (views === undefined) continue;
      const unrelated = views.kind === "other" && elsewhere;
      const input = encodePng(renderView(scene.photo, views.input, size));
      const ref = encodePng(renderView((unrelated || scene).photo, views.ref, size));
      pairs.push({ index, views, refPhoto: unrelated ? "other" : "same", input, ref });
    }
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    return { result: { pairs, reason: error.problem.replace(`${path} `, "") }, transfer: [] };
  }
  const reason = pairs.length < indices.length ? "is too small, or too little of it is sharp" : undefined;
  return { result: { pairs, reason }, transfer: [] };
});

/** Undefined where there is no other photo, or none that can be read: its own pairs report why. */
async function prepareOther(path: string | undefined, size: number): Promise<Prepared | undefined> {
  if (path === undefined) return undefined;
  try {
    return await prepare(path, size);
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}

async function prepare(path: string, size: number): Promise<Prepared> {
  const known = prepared.find((one) => one.path === path);
  if (known) return known;
  const longest = Math.max(PHOTO_SIDE, 4 * size);
  const image = toRgb(toBitDepth(await readImage(path), 8));
  const scale = longest / Math.max(image.width, image.height);
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(scale * side)));
  const photo = scale < 1 ? resizeBicubic(image, width!, height!) : image;
  const scene = { path, photo, sharp: new SharpnessMap(photo) };
  prepared.unshift(scene);
  prepared.splice(PREPARED);
  return scene;
}
