/**
 * Two virtual cameras over one photograph, as different as the two pictures of an easy CUFED pair: they look from
 * different distances (zoom), are shifted, turned and tilted against each other, and render colours differently.
 */
import type { Random } from "./random.js";
import type { SharpnessMap } from "./sharpness.js";
import { MAX_SCALE, type Point, type Quad, type View } from "./warp.js";

export interface ViewPair {
  readonly input: View;
  readonly ref: View;
  /** Distance of the centres, in widths of the input view. */
  readonly shift: number;
  /** Photo pixels under a pixel of the reference, over those of the input. */
  readonly zoom: number;
  /** Of the reference against the input, in degrees. */
  readonly rotation: number;
  /** The share of sharp blocks in the less sharp of the two. */
  readonly sharpness: number;
}

/** Photo pixels under one pixel of a view: never below 1, so that no view is blurred by enlargement. */
const SCALE = { from: 1, to: 1.5 };
const LARGEST_SHIFT = 0.35;
const LARGEST_ROTATION = 8;
/** A corner leaves the square by at most this part of its side, in x and y. */
const LARGEST_TILT = 0.05;
const GAMMA = { from: 0.85, to: 1.18 };
const GAIN = { from: 0.94, to: 1.06 };

/** A pair this sharp is taken at once; otherwise the best of some, unless it is below the second figure. */
const SHARP_ENOUGH = 0.6;
const TOO_BLURRED = 0.25;
const CANDIDATES = 24;
/** Draws until the candidates are found: those that leave the photo do not count. */
const DRAWS = 400;

/** Views of `size` pixels on a photo of `width`×`height`; undefined where nothing sharp fits in. */
export function chooseViews(
  { width, height }: { readonly width: number; readonly height: number },
  sharp: SharpnessMap,
  size: number,
  random: Random,
): ViewPair | undefined {
  let best: ViewPair | undefined;
  for (let candidates = 0, draws = 0; candidates < CANDIDATES && draws < DRAWS; draws++) {
    const drawn = drawViews(width, height, size, random);
    if (![drawn.input, drawn.ref].every(({ corners }) => inside(corners, width, height) && resolved(corners, size)))
      continue;
    candidates++;
    const sharpness = Math.min(sharp.share(drawn.input.corners), sharp.share(drawn.ref.corners));
    if (sharpness > (best?.sharpness ?? -1)) best = { ...drawn, sharpness };
    if (sharpness >= SHARP_ENOUGH) break;
  }
  return best && best.sharpness >= TOO_BLURRED ? best : undefined;
}

function drawViews(width: number, height: number, size: number, random: Random): Omit<ViewPair, "sharpness"> {
  const scale = () => SCALE.from * (SCALE.to / SCALE.from) ** random.uniform();
  const rotation = () => random.between(-LARGEST_ROTATION, LARGEST_ROTATION);
  const centre: Point = [random.between(0, width), random.between(0, height)];
  const [inputScale, inputRotation] = [scale(), rotation()];
  const [refScale, refRotation] = [scale(), rotation()];
  const [shift, direction] = [random.between(0, LARGEST_SHIFT), random.between(0, 2 * Math.PI)];
  const distance = shift * size * inputScale;
  const refCentre: Point = [centre[0] + distance * Math.cos(direction), centre[1] + distance * Math.sin(direction)];
  return {
    input: drawView(centre, size * inputScale, inputRotation, random),
    ref: drawView(refCentre, size * refScale, refRotation, random),
    shift,
    zoom: refScale / inputScale,
    rotation: refRotation - inputRotation,
  };
}

function drawView([x, y]: Point, side: number, rotation: number, random: Random): View {
  const angle = (rotation * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const corner = (signX: number, signY: number): Point => {
    const u = side * (signX / 2 + random.between(-LARGEST_TILT, LARGEST_TILT));
    const v = side * (signY / 2 + random.between(-LARGEST_TILT, LARGEST_TILT));
    return [x + cos * u - sin * v, y + sin * u + cos * v];
  };
  const corners = [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)] as const;
  const gain = () => random.between(GAIN.from, GAIN.to);
  return { corners, gamma: random.between(GAMMA.from, GAMMA.to), gain: [gain(), gain(), gain()] };
}

function inside(corners: Quad, width: number, height: number): boolean {
  return corners.every(([x, y]) => x >= 0 && y >= 0 && x <= width && y <= height);
}

/** No side is so long that samples would miss pixels of the photo. */
function resolved(corners: Quad, size: number): boolean {
  return corners.every(([x, y], i) => {
    const [nextX, nextY] = corners[(i + 1) % 4]!;
    return Math.hypot(nextX - x, nextY - y) <= MAX_SCALE * size;
  });
}
