/**
 * Pictures of a match. Pixels of LR are squares of four by four, as large as the result. A position in the reference has a colour, by its place between four corners; what was matched there
 * has the same colour.
 */
import { createImage, cropImage, type Image, toBitDepth, toRgb } from "../image/image.js";
import { SCALE } from "../image/pairs.js";
import { resizeBicubic } from "../image/resize.js";
import { type Explanation, matchedPosition, matchedScore } from "./explain.js";

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
export function enlargedLr({ pair: { lr, window } }: Explanation): Image {
  const large = eightBits(resizeBicubic(lr, SCALE * lr.width, SCALE * lr.height));
  return withoutPadding(large, window);
}

/** LR, each block tinted with the colour of the position that its coarse match has found. */
export function tintedBlocks(explanation: Explanation): Image {
  const { geometry, matches } = explanation;
  const [ky, kx] = geometry.block;
  return paintLr(explanation, (x, y) => {
    const index = matches.coarseIndex[Math.floor(y / ky) * geometry.blocks[1] + Math.floor(x / kx)] as number;
    const [height, width] = geometry.refDown;
    return colourAt(index % width, Math.floor(index / width), width, height);
  });
}

/**
 * How each pixel's fine match lies beside its block's coarse one: white where it moved along with the block, else a hue for
 * the direction and a strength for the distance, full at half a window.
 */
export function deviations(explanation: Explanation): Image {
  const { geometry, matches } = explanation;
  const [ky, kx] = geometry.block;
  const most = Math.max(...geometry.window) / 2;
  const colour = (x: number, y: number) => {
    const index = matches.coarseIndex[Math.floor(y / ky) * geometry.blocks[1] + Math.floor(x / kx)] as number;
    const width = geometry.refDown[1];
    const [ownX, ownY] = matchedPosition(explanation, x, y);
    const dx = ownX - (index % width) - ((x % kx) - Math.floor(kx / 2));
    const dy = ownY - Math.floor(index / width) - ((y % ky) - Math.floor(ky / 2));
    return directionColour(dx / most, dy / most);
  };
  return paintLr(explanation, colour, 1);
}

/** The reference with the colours of its positions. */
export function tintedReference({ pair: { ref } }: Explanation): Image {
  return paint(eightBits(ref), (x, y) => positionColour(x / (ref.width - 1), y / (ref.height - 1)), TINT);
}

/** The fine match's similarity of each pixel; and the range that the colours stand for. */
export function similarityMap(explanation: Explanation): { image: Image; low: number; high: number } {
  const { fineScore } = explanation.matches;
  const [low, high] = fineScore.reduce(
    ([least, most], score) => [Math.min(least, score), Math.max(most, score)] as const,
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] as const,
  );
  const image = paintLr(explanation, (x, y) => scaleColour(matchedScore(explanation, x, y), low, high), 1);
  return { image, low, high };
}

/** A picture of the size of the result, without what LR's padding added. */
export function withoutPadding(image: Image, { left, top, width, height }: Explanation["pair"]["window"]): Image {
  return cropImage(image, SCALE * left, SCALE * top, SCALE * width, SCALE * height);
}

/** Blocks along a side that get a line: as many as an eye can follow. */
const LINES = 4;
const GAP = 24;

/**
 * LR and the reference side by side; and, as SVG to be laid over them, lines from some blocks, spread evenly, to where
 * their coarse match has found them, with the windows that were searched there.
 */
export function matchLines(explanation: Explanation): { readonly image: Image; readonly lines: string } {
  const { geometry, matches, pair } = explanation;
  const [left, ref] = [enlargedLr(explanation), eightBits(pair.ref)];
  const scale = left.height / ref.height;
  const right = resizeBicubic(ref, Math.max(1, Math.round(scale * ref.width)), left.height);
  const [py, px] = geometry.blocks;
  const [ky, kx] = geometry.block.map((side) => SCALE * side) as [number, number];
  const marks: string[] = [];
  for (const by of spread(py)) {
    for (const bx of spread(px)) {
      const b = by * px + bx;
      const index = matches.coarseIndex[b] as number;
      const [x, y] = [index % geometry.refDown[1], Math.floor(index / geometry.refDown[1])];
      const colour = `rgb(${colourAt(x, y, geometry.refDown[1], geometry.refDown[0]).map(Math.round)})`;
      const [fromX, fromY] = [bx * kx - SCALE * pair.window.left, by * ky - SCALE * pair.window.top];
      const inRef = (position: number) => scale * SCALE * position;
      const offset = left.width + GAP;
      const origins = [matches.originX, matches.originY].map((origin) => inRef(Math.max(0, origin[b] as number)));
      const [windowX, windowY] = origins as [number, number];
      const [height, width] = geometry.window.map(inRef) as [number, number];
      marks.push(
        `<g stroke="${colour}" fill="none" stroke-width="2">` +
          `<rect x="${fromX}" y="${fromY}" width="${kx}" height="${ky}"/>` +
          `<rect x="${offset + windowX}" y="${windowY}" width="${width}" height="${height}"/>` +
          `<line x1="${fromX + kx / 2}" y1="${fromY + ky / 2}" x2="${offset + inRef(x + 0.5)}" y2="${inRef(y + 0.5)}"/></g>`,
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
function paintLr(explanation: Explanation, colour: (x: number, y: number) => Colour, weight = TINT): Image {
  const { lr, window } = explanation.pair;
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
