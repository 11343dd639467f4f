/**
 * Two virtual cameras over photographs. What the second sees against the first is of one of four kinds:
 *
 *   near    an easy pair of CUFED: another distance (zoom), a little shifted, turned and tilted, other colours
 *   far     turned by any angle (or by quarter turns), or overlapping only in part; up to twice as near or as far
 *   part    another part of the same photograph: similar material, nothing in common
 *   other   a part of another photograph: unrelated
 */
import type { Random } from "./random.js";
import type { SharpnessMap } from "./sharpness.js";
import { longestSide, type Point, type Quad, type View } from "./warp.js";

export const PAIR_KINDS = ["near", "far", "part", "other"] as const;
export type PairKind = (typeof PAIR_KINDS)[number];

/** Shares of the kinds among all pairs; the rest is near. */
export interface PairShares {
  readonly far: number;
  /** Poor references: half of them `part`, half `other`. */
  readonly poor: number;
}

export interface ViewPair {
  readonly kind: PairKind;
  readonly input: View;
  readonly ref: View;
  /** Distance of the centres, in widths of the input view; NaN on two photographs. */
  readonly shift: number;
  /** Photo pixels under a pixel of the reference, over those of the input. */
  readonly zoom: number;
  /** Of the reference against the input, in degrees. */
  readonly rotation: number;
  /** The share of sharp blocks in the less sharp of the two. */
  readonly sharpness: number;
}

/** A photo with its sharp blocks. */
export interface Scene {
  readonly photo: { readonly width: number; readonly height: number };
  readonly sharp: SharpnessMap;
}

/** Photo pixels under one pixel of a view: never below 1, so that no view is blurred by enlargement. */
const SCALE = { from: 1, to: 1.5 };
/** No side of a view but a far one's is longer than this many photo pixels for each of its own. */
const LONGEST_SIDE = 2;
const LARGEST_SHIFT = 0.35;
const LARGEST_ROTATION = 8;
/** The zoom of far references is between 1/2 and 2, and so are their scales. */
const FAR_ZOOM = 2;
const FAR_SHIFT = { from: 0.35, to: 0.7 };
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

/** The kind that a pair is to have, by a number from [0, 1). */
export function drawKind(uniform: number, { far, poor }: PairShares): PairKind {
  if (uniform < far) return "far";
  if (uniform < far + poor / 2) return "part";
  return uniform < far + poor ? "other" : "near";
}

/**
 * Views of `size` pixels: the input's on `scene`, the reference's there or, of the kind `other`, on `elsewhere`. A photo too
 * small for its kind gives a near pair, and one on which nothing sharp fits in, undefined.
 */
export function chooseViews(
  scene: Scene,
  size: number,
  random: Random,
  kind: PairKind = "near",
  elsewhere = scene,
): ViewPair | undefined {
  const refScene = kind === "other" ? elsewhere : scene;
  const longest = kind === "far" ? Number.POSITIVE_INFINITY : LONGEST_SIDE * size;
  const fits = ({ corners }: View, { photo: { width, height } }: Scene) =>
    inside(corners, width, height) && longestSide(corners) <= longest;
  let best: ViewPair | undefined;
  for (let candidates = 0, draws = 0; candidates < CANDIDATES && draws < DRAWS; draws++) {
    const drawn = DRAW[kind](scene.photo, refScene.photo, size, random);
    if (!drawn || !fits(drawn.input, scene) || !fits(drawn.ref, refScene)) continue;
    candidates++;
    const sharpness = Math.min(scene.sharp.share(drawn.input.corners), refScene.sharp.share(drawn.ref.corners));
    if (sharpness > (best?.sharpness ?? -1)) best = { kind, ...drawn, sharpness };
    if (sharpness >= SHARP_ENOUGH) break;
  }
  if (best && best.sharpness >= TOO_BLURRED) return best;
  return kind === "near" ? undefined : chooseViews(scene, size, random);
}

type Drawn = Omit<ViewPair, "sharpness" | "kind">;
type Draw = (photo: Scene["photo"], refPhoto: Scene["photo"], size: number, random: Random) => Drawn | undefined;

const DRAW: Readonly<Record<PairKind, Draw>> = { near: drawNear, far: drawFar, part: drawPart, other: drawOther };

function drawNear({ width, height }: Scene["photo"], _: Scene["photo"], size: number, random: Random): Drawn {
  const rotation = () => random.between(-LARGEST_ROTATION, LARGEST_ROTATION);
  const centre: Point = [random.between(0, width), random.between(0, height)];
  const [inputScale, inputRotation] = [drawScale(random), rotation()];
  const [refScale, refRotation] = [drawScale(random), rotation()];
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

/** Half of them turned by quarter turns, a quarter by any angle, a quarter shifted so far that little is in common. */
function drawFar({ width, height }: Scene["photo"], _: Scene["photo"], size: number, random: Random): Drawn {
  const small = () => random.between(-LARGEST_ROTATION, LARGEST_ROTATION);
  const centre: Point = [random.between(0, width), random.between(0, height)];
  const zoom = FAR_ZOOM ** random.between(-1, 1);
  const [least, most] = [Math.max(1, 1 / zoom), Math.min(FAR_ZOOM, FAR_ZOOM / zoom)];
  const inputScale = least * (most / least) ** random.uniform();
  const how = random.integer(4);
  const rotation = how < 2 ? 90 * (1 + random.integer(3)) + small() : how === 2 ? random.between(0, 360) : small();
  const shift = how < 3 ? random.between(0, LARGEST_SHIFT) : random.between(FAR_SHIFT.from, FAR_SHIFT.to);
  const [inputRotation, direction] = [small(), random.between(0, 2 * Math.PI)];
  const distance = shift * size * inputScale;
  const refCentre: Point = [centre[0] + distance * Math.cos(direction), centre[1] + distance * Math.sin(direction)];
  return {
    input: drawView(centre, size * inputScale, inputRotation, random),
    ref: drawView(refCentre, size * inputScale * zoom, inputRotation + rotation, random),
    ...{ shift, zoom, rotation },
  };
}

/** Two views that do not overlap. */
function drawPart(photo: Scene["photo"], _: Scene["photo"], size: number, random: Random): Drawn | undefined {
  const drawn = drawOther(photo, photo, size, random);
  const [[x, y], [refX, refY]] = [centreOf(drawn.input.corners), centreOf(drawn.ref.corners)];
  const apart = (longestSide(drawn.input.corners) + longestSide(drawn.ref.corners)) / 2;
  if (Math.max(Math.abs(x - refX), Math.abs(y - refY)) < apart) return undefined;
  return { ...drawn, shift: Math.hypot(x - refX, y - refY) / longestSide(drawn.input.corners) };
}

function drawOther(photo: Scene["photo"], refPhoto: Scene["photo"], size: number, random: Random): Drawn {
  const rotation = () => random.between(-LARGEST_ROTATION, LARGEST_ROTATION);
  const centre = ({ width, height }: Scene["photo"]): Point => [random.between(0, width), random.between(0, height)];
  const [inputScale, inputRotation] = [drawScale(random), rotation()];
  const [refScale, refRotation] = [drawScale(random), rotation()];
  return {
    input: drawView(centre(photo), size * inputScale, inputRotation, random),
    ref: drawView(centre(refPhoto), size * refScale, refRotation, random),
    shift: Number.NaN,
    zoom: refScale / inputScale,
    rotation: refRotation - inputRotation,
  };
}

function drawScale(random: Random): number {
  return SCALE.from * (SCALE.to / SCALE.from) ** random.uniform();
}

function centreOf(corners: Quad): Point {
  const mean = (axis: 0 | 1) => corners.reduce((sum, corner) => sum + corner[axis], 0) / 4;
  return [mean(0), mean(1)];
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
