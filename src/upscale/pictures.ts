/**
 * Pictures of a match. Pixels of LR are squares of four by four, as large as the result. A position in the reference has a colour, by its place between four corners; what was matched there
 * has the same colour.
 */
import { createImage, cropImage, type Image, toBitDepth, toRgb } from "../image/image.js";
import { SCALE } from "../image/pairs.js";
import { resizeBicubic } from "../image/resize.js";
import type { Box } from "../image/zoom.js";
import { matchedPosition, matchedScore } from "./explain.js";
import type { Match } from "./run.js";

export type Colour = readonly [red: number, green: number, blue: number];

/** Upper left, upper right, lower left, lower right. */
const CORNERS: readonly [Colour, Colour, Colour, Colour] = [
  [230, 25, 40],
  [255, 210, 30],
  [30, 90, 230],
  [20, 170, 80],
];
/** Weight of the colours over the picture. */
const TINT = 0.6;

/** Five colours of viridis (van der Walt and Smith 2015), from low to high: its brightness rises evenly. */
const VIRIDIS: readonly Colour[] = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];

/** The colour of a position; x and y run from 0 to 1. */
export function positionColour(x: number, y: number): Colour {
  const weights = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];
  const channel = (c: 0 | 1 | 2) => CORNERS.reduce((sum, corner, i) => sum + (weights[i] as number) * corner[c], 0);
  return [channel(0), channel(1), channel(2)];
}

/** White for none, and of a hue by its direction; of full strength from length 1 on. */
export function directionColour(x: number, y: number): Colour {
  const strength = Math.min(1, Math.hypot(x, y));
  const angle = Math.atan2(y, x);
  const channel = (shift: number) => 255 * (1 - strength * (0.5 - 0.5 * Math.cos(angle - shift)));
  return [channel(0), channel((2 * Math.PI) / 3), channel((4 * Math.PI) / 3)];
}

/** The colour of a value between `low` and `high`. */
export function scaleColour(value: number, low: number, high: number): Colour {
  const place = high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) : 1;
  const at = Math.min(Math.floor(place * (VIRIDIS.length - 1)), VIRIDIS.length - 2);
  const part = place * (VIRIDIS.length - 1) - at;
  const [from, to] = [VIRIDIS[at] as Colour, VIRIDIS[at + 1] as Colour];
  const channel = (c: 0 | 1 | 2) => from[c] + part * (to[c] - from[c]);
  return [channel(0), channel(1), channel(2)];
}

/** LR as it is, four times as large, without its padding. */
export function enlargedLr({ pair: { lr, window } }: Match): Image {
  const large = eightBits(resizeBicubic(lr, SCALE * lr.width, SCALE * lr.height));
  return withoutPadding(large, window);
}

/** LR, each block tinted with the colour of the position that its coarse match has found. */
export function tintedBlocks(match: Match): Image {
  const { geometry, matches } = match;
  const [ky, kx] = geometry.block;
  return paintLr(match, (x, y) => {
    const index = matches.coarseIndex[Math.floor(y / ky) * geometry.blocks[1] + Math.floor(x / kx)] as number;
    const [height, width] = geometry.refDown;
    return colourAt(index % width, Math.floor(index / width), width, height);
  });
}

/**
 * How each pixel's fine match lies beside its block's coarse one: white where it moved along with the block, else a hue for
 * the direction and a strength for the distance, full at half a window.
 */
export function deviations(match: Match): Image {
  const { geometry, matches } = match;
  const [ky, kx] = geometry.block;
  const most = Math.max(...geometry.window) / 2;
  const colour = (x: number, y: number) => {
    const index = matches.coarseIndex[Math.floor(y / ky) * geometry.blocks[1] + Math.floor(x / kx)] as number;
    const width = geometry.refDown[1];
    const [ownX, ownY] = matchedPosition(match, x, y);
    const dx = ownX - (index % width) - ((x % kx) - Math.floor(kx / 2));
    const dy = ownY - Math.floor(index / width) - ((y % ky) - Math.floor(ky / 2));
    return directionColour(dx / most, dy / most);
  };
  return paintLr(match, colour, 1);
}

/** The reference with the colours of its positions. */
export function tintedReference({ pair: { ref } }: Match): Image {
  return paint(eightBits(ref), (x, y) => positionColour(x / (ref.width - 1), y / (ref.height - 1)), TINT);
}

/** The fine match's similarity of each pixel; and the range that the colours stand for. */
export function similarityMap(match: Match): { image: Image; low: number; high: number } {
  const { fineScore } = match.matches;
  const [low, high] = fineScore.reduce(
    ([least, most], score) => [Math.min(least, score), Math.max(most, score)] as const,
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] as const,
  );
  const image = paintLr(match, (x, y) => scaleColour(matchedScore(match, x, y), low, high), 1);
  return { image, low, high };
}

/** A picture of the size of the result, without what LR's padding added. */
export function withoutPadding(image: Image, { left, top, width, height }: Match["pair"]["window"]): Image {
  return cropImage(image, SCALE * left, SCALE * top, SCALE * width, SCALE * height);
}

/** A block and where its coarse match has found it. */
export interface BlockMatch {
  /** The block in the result, in its pixels; it may begin outside, in what LR's padding added. */
  readonly block: Box;
  /** The window that its pixels were searched in, in the reference's pixels; it may reach over its end, and goes on at its beginning. */
  readonly window: Box;
  /** The centre of what was found, in the reference's pixels. */
  readonly found: readonly [x: number, y: number];
  /** Mean cosine similarity of its pixels' matches. */
  readonly similarity: number;
}

/** What is known of the block in this row and column. */
export function blockMatch({ geometry, matches, pair }: Match, row: number, column: number): BlockMatch {
  const b = row * geometry.blocks[1] + column;
  const [ky, kx] = geometry.block;
  const index = matches.coarseIndex[b] as number;
  const place = (position: number) => SCALE * (position + 0.5);
  const [left, top] = [matches.originX, matches.originY].map((origin) => SCALE * Math.max(0, origin[b] as number));
  const scores = matches.fineScore.subarray(b * ky * kx, (b + 1) * ky * kx);
  return {
    block: {
      left: SCALE * (column * kx - pair.window.left),
      top: SCALE * (row * ky - pair.window.top),
      width: SCALE * kx,
      height: SCALE * ky,
    },
    window: {
      left: left as number,
      top: top as number,
      width: SCALE * geometry.window[1],
      height: SCALE * geometry.window[0],
    },
    found: [place(index % geometry.refDown[1]), place(Math.floor(index / geometry.refDown[1]))],
    similarity: scores.reduce((sum, score) => sum + score, 0) / scores.length,
  };
}

/** Blocks along a side that get a line: as many as an eye can follow. */
const LINES = 4;
const GAP = 24;

/**
 * LR and the reference side by side; and, as SVG to be laid over them, lines from some blocks, spread evenly, to where
 * their coarse match has found them, with the windows that were searched there.
 */
export function matchLines(match: Match): { readonly image: Image; readonly lines: string } {
  const { geometry, pair } = match;
  const [left, ref] = [enlargedLr(match), eightBits(pair.ref)];
  const scale = left.height / ref.height;
  const right = resizeBicubic(ref, Math.max(1, Math.round(scale * ref.width)), left.height);
  const offset = left.width + GAP;
  const marks: string[] = [];
  for (const row of spread(geometry.blocks[0])) {
    for (const column of spread(geometry.blocks[1])) {
      const { block, window, found } = blockMatch(match, row, column);
      const [x, y] = found;
      const colour = `rgb(${positionColour(x / ref.width, y / ref.height).map(Math.round)})`;
      const rect = ({ left, top, width, height }: Box) =>
        `<rect x="${left}" y="${top}" width="${width}" height="${height}"/>`;
      const shown = { left: offset + scale * window.left, top: scale * window.top };
      marks.push(
        `<g stroke="${colour}" fill="none" stroke-width="2">${rect(block)}` +
          `${rect({ ...shown, width: scale * window.width, height: scale * window.height })}` +
          `<line x1="${block.left + block.width / 2}" y1="${block.top + block.height / 2}" ` +
          `x2="${offset + scale * x}" y2="${scale * y}"/></g>`,
      );
    }
  }
  const image = sideBySide(left, right);
  const size = `width="${image.width}" height="${image.height}"`;
  return { image, lines: `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${marks.join("")}</svg>` };
}

/** At most `LINES` of `count` places, the same distance apart. */
function spread(count: number): number[] {
  const wanted = Math.min(LINES, count);
  return Array.from({ length: wanted }, (_, i) => Math.floor(((i + 0.5) * count) / wanted));
}

function sideBySide(left: Image, right: Image): Image {
  const image = createImage(left.width + GAP + right.width, left.height, 3, 8);
  image.data.fill(255);
  for (let y = 0; y < left.height; y++) {
    const row = 3 * y * image.width;
    image.data.set(left.data.subarray(3 * y * left.width, 3 * (y + 1) * left.width), row);
    image.data.set(right.data.subarray(3 * y * right.width, 3 * (y + 1) * right.width), row + 3 * (left.width + GAP));
  }
  return image;
}

function colourAt(x: number, y: number, width: number, height: number): Colour {
  return positionColour(x / (width - 1), y / (height - 1));
}

/** Paints every pixel of LR, which is four by four of the picture, and cuts the padding off. */
function paintLr(match: Match, colour: (x: number, y: number) => Colour, weight = TINT): Image {
  const { lr, window } = match.pair;
  const large = eightBits(resizeBicubic(lr, SCALE * lr.width, SCALE * lr.height));
  const painted = paint(large, (x, y) => colour(Math.floor(x / SCALE), Math.floor(y / SCALE)), weight);
  return withoutPadding(painted, window);
}

function paint(image: Image, colour: (x: number, y: number) => Colour, weight: number): Image {
  const { width, height, data } = image;
  const painted = createImage(width, height, 3, 8);
  for (let i = 0; i < width * height; i++) {
    const own = colour(i % width, Math.floor(i / width));
    for (let c = 0; c < 3; c++)
      painted.data[3 * i + c] = Math.round((1 - weight) * (data[3 * i + c] as number) + weight * (own[c] as number));
  }
  return painted;
}

function eightBits(image: Image): Image {
  return toBitDepth(toRgb(image), 8);
}
