/** Test cases as the official `TestSet`, `TestSet_multi`, `Sun80` and `Urban100` prepare them. */
import { readImage } from "../files/images.js";
import { type Image, toBitDepth, toRgb } from "../image/image.js";
import { downscale, padCentred, REF_MULTIPLE, type TestPair, testPair, testPairMulti } from "../image/pairs.js";
import { DataError } from "./errors.js";
import type { Case, TestData } from "./layouts.js";

/** Sun80 and Urban100 pad HR to multiples of this, CUFED5 to 32. */
const HR_MULTIPLE_LARGE = 64;

/**
 * The images of a case, 8-bit RGB. `level` chooses the reference: CUFED5's 1 is most similar, "all" stacks them (`TestSet_multi`);
 * of Sun80's it takes the level-th, where the official code takes any. Throws `ImageError`, and `DataError` for a level
 * the case does not have.
 */
export async function readCase(
  layout: TestData["layout"],
  { name, hr: path, refs }: Case,
  level: number | "all" = 1,
): Promise<TestPair> {
  const hr = await readRgb(path);
  if (layout === "Urban100") return ownReference(hr);
  if (level === "all") return testPairMulti(hr, await Promise.all(refs.map(readRgb)));
  const ref = refs[level - 1];
  if (ref === undefined) throw new DataError(`${name} has no reference ${level}`, `Choose one of 1 to ${refs.length}`);
  return layout === "Sun80" ? sun80Pair(hr, await readRgb(ref)) : testPair(hr, await readRgb(ref));
}

async function readRgb(path: string): Promise<Image> {
  return toRgb(toBitDepth(await readImage(path), 8));
}

function ownReference(original: Image): TestPair {
  const { image: hr, padding } = padCentred(original, HR_MULTIPLE_LARGE);
  const lr = downscale(hr);
  return { original, padding, hr, lr, ref: lr, refDown: downscale(lr) };
}

function sun80Pair(original: Image, reference: Image): TestPair {
  const { image: hr, padding } = padCentred(original, HR_MULTIPLE_LARGE);
  const { image: ref } = padCentred(reference, REF_MULTIPLE);
  return { original, padding, hr, lr: downscale(hr), ref, refDown: downscale(ref) };
}
