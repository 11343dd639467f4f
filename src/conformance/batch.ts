/** Batches of image pairs, as whole-network and training cases name them. */
import { type Image, toTensor } from "../image/image.js";
import { type Entry, ManifestError, UnsupportedError } from "./entry.js";
import type { Trial } from "./trial.js";

/** One tensor of a batch, [N, 3, H, W], BGR in [0, 1]. */
export interface Stack {
  readonly shape: readonly [number, number, number, number];
  readonly data: Float32Array;
  readonly images: readonly Image[];
}

export interface Batch {
  readonly lr: Stack;
  readonly ref: Stack;
  readonly refDown: Stack;
  readonly hr: Stack;
}

/** Reads the images that a case lists. */
export async function readBatch({ entry, set }: Trial): Promise<Batch> {
  const items = entry.list("images");
  const stack = async (field: string) =>
    stackImages(await Promise.all(items.map((item) => set.image(item.text(field)))), field);
  return { lr: await stack("lr"), ref: await stack("ref"), refDown: await stack("ref_down"), hr: await stack("hr") };
}

function stackImages(images: readonly Image[], field: string): Stack {
  const [first] = images;
  if (!first) throw new ManifestError("a case lists no images", "Correct the manifest");
  const { width, height } = first;
  if (images.some((image) => image.width !== width || image.height !== height))
    throw new ManifestError(`the ${field} images of a case differ in size`, "Correct the manifest");
  const data = new Float32Array(images.length * 3 * height * width);
  for (const [i, image] of images.entries()) data.set(toTensor(image), i * 3 * height * width);
  return { shape: [images.length, 3, height, width], data, images };
}

/** The official hyperparameters that this network has as constants. */
export function checkOfficial(hyper: Entry): void {
  for (const [name, value] of Object.entries({ num_nbr: 1, sr_scale: 4, input_nc: 3 })) {
    if (hyper.number(name, value) !== value)
      throw new UnsupportedError(`${hyper.where}: ${name} ${hyper.number(name)} cannot run, only ${value}`);
  }
}
