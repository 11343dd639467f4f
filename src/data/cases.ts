/** Test cases as the official `TestSet`, `TestSet_multi`, `Sun80` and `Urban100` prepare them. */
import { type ReadOptions, readImage } from "../files/images.js";
import { type Image, toBitDepth, toRgb } from "../image/image.js";
import { downscale, padCentred, REF_MULTIPLE, type TestPair, testPair, testPairMulti } from "../image/pairs.js";
import { DataError } from "./errors.js";
import type { Case, TestData } from "./layouts.js";

/** Sun80 and Urban100 pad HR to multiples of this, CUFED5 to 32. */
const HR_MULTIPLE_LARGE = 64;

/**
 * The images of a case, 8-bit RGB, in sRGB or in the values of their files. `level` chooses the reference: CUFED5's 1 is most similar, "all" stacks them (`TestSet_multi`);
 * of Sun80's it takes the level-th, where the official code takes any. Throws `ImageError`, and `DataError` for a level
 * the case does not have.
 */
export async function readCase(
  layout: TestData["layout"],
  { name, hr: path, refs }: Case,
  level: number | "all" = 1,
  colours: ReadOptions["colours"] = "srgb",
): Promise<TestPair> {
  const readRgb = async (file: string) => toRgb(toBitDepth(await readImage(file, { colours }), 8));
  const hr = await readRgb(path);
  if (layout === "Urban100") return ownReference(hr);
  if (level === "all") return testPairMulti(hr, await Promise.all(refs.map(readRgb)));
  const ref = refs[level - 1];
  if (ref === undefined) throw new DataError(`${name} has no reference ${level}`, `Choose one of 1 to ${refs.length}`);
  return layout === "Sun80" ? sun80Pair(hr, await readRgb(ref)) : testPair(hr, await readRgb(ref));
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
