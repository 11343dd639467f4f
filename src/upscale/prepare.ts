/** From images of any sizes to what the network takes: padding, several references in one, the reference at a quarter. */
import { ImageError } from "../image/errors.js";
import { checkImage, type Image, padImage, toBitDepth, toRgb } from "../image/image.js";
import { downscale, padCentred, padEnd, REF_MULTIPLE, stackReferences } from "../image/pairs.js";
import { visibleColour } from "../image/transparency.js";
import { MASA } from "../masa/config.js";

/** Below 32 pixels (8 in Ref↓) a window of 1.5 times the reference reaches around it more than once. */
const LEAST_REFERENCE = 32;

/** The images of one enlargement, of any sizes. */
export interface UpscaleRequest {
  readonly lr: Image;
  /** One reference, or several, which are stacked as in the paper's evaluation with several references. */
  readonly refs: readonly Image[];
}

/** Images made ready for the network. */
export interface PreparedPair {
  readonly lr: Image;
  readonly ref: Image;
  readonly refDown: Image;
  /** The window of `lr` that is the picture; the rest repeats its border. */
  readonly window: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
}

/**
 * Gives transparent pixels the colours of visible ones, pads `lr` on all sides to whole blocks of `blockSize` and to
 * multiples of 4 (two halvings in the encoder), arranges the references in one image, and shrinks that. Throws `ImageError`.
 */
export function preparePair({ lr, refs }: UpscaleRequest, blockSize = MASA.blockSize): PreparedPair {
  if (refs.length === 0) throw new ImageError("there is no reference image", "Give at least one");
  checkImage(lr, "lr");
  for (const [i, ref] of refs.entries()) checkImage(ref, `refs[${i}]`);
  const multiple = [1, 2, 4].map((factor) => factor * blockSize).find((side) => side % 4 === 0) as number;
  const { image, padding } = padCentred(toRgb(visibleColour(lr)), multiple);
  const ref = stack(refs);
  const window = { left: padding.left, top: padding.top, width: lr.width, height: lr.height };
  return { lr: image, ref, refDown: downscale(ref), window };
}

/** One reference as it is; several of one depth, centred in the smallest canvas that holds each, below one another. */
function stack(refs: readonly Image[]): Image {
  const depth = refs.some(({ bitDepth }) => bitDepth === 16) ? 16 : 8;
  const images = refs.map((ref) => padReference(toBitDepth(toRgb(visibleColour(ref)), depth)));
  if (images.length === 1) return images[0] as Image;
  const side = (of: (image: Image) => number) => Math.max(...images.map(of));
  return stackReferences(
    images,
    side(({ width }) => width),
    side(({ height }) => height),
  );
}

/** Repeats the last row and column to multiples of 16, and to the least that holds a search window. */
function padReference(ref: Image): Image {
  const bottom = Math.max(0, LEAST_REFERENCE - ref.height);
  const right = Math.max(0, LEAST_REFERENCE - ref.width);
  return padEnd(padImage(ref, { top: 0, bottom, left: 0, right }), REF_MULTIPLE);
}
