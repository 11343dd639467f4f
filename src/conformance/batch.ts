/** What whole-network and training cases share: batches of image pairs, and the network's own search beside a given one. */
import type { Tensor } from "../graph/trace/tensor.js";
import { type Image, toTensor } from "../image/image.js";
import { matchGeometry } from "../masa/geometry.js";
import type { Masa } from "../masa/masa.js";
import { type Matches, type MatchOptions, match } from "../masa/matching.js";
import { ManifestError } from "./entry.js";
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

/** The shapes and the data of a batch, for a plan or a trainer. */
export function shapesOf({ lr, ref, refDown, hr }: Batch) {
  return { lr: lr.shape, ref: ref.shape, refDown: refDown.shape, hr: hr.shape };
}

export function dataOf({ lr, ref, refDown, hr }: Batch) {
  return { lr: lr.data, ref: ref.data, refDown: refDown.data, hr: hr.data };
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

/** Sees the features that the network matches, so that it can be asked what it finds in them by itself. */
export class MatchProbe {
  readonly #seen = new Map<string, Tensor>();

  /** To be given to the network. */
  readonly probe = (name: string, tensor: Tensor): void => {
    this.#seen.set(name, tensor);
  };

  /** Records the network's own search; it may begin at given coarse matches. */
  ownMatches(masa: Masa, options: MatchOptions): Matches {
    const [lr, refDown] = [this.#seen.get("enc(lr)/L1")!, this.#seen.get("enc(ref_down)/L1")!];
    const sides = ({ shape }: Tensor): [number, number] => [shape[2]!, shape[3]!];
    return match({ lr, refDown }, matchGeometry({ lr: sides(lr), refDown: sides(refDown), ...masa.config }), options);
  }

  /** All tensors seen, by name. */
  get tensors(): ReadonlyMap<string, Tensor> {
    return this.#seen;
  }
}
