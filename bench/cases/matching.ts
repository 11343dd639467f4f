/** Coarse and fine matching and the extraction of the matched features, at training and at inference size. */
import { coarseMatch } from "../../src/graph/ops/coarse_match.js";
import { fineMatch } from "../../src/graph/ops/fine_match.js";
import { transfer } from "../../src/graph/ops/transfer.js";
import type { Data } from "../../src/graph/plan/plan.js";
import { type MatchGeometry, matchGeometry } from "../../src/masa/geometry.js";
import { ndarray } from "../../src/reference/array.js";
import { dot, patch } from "../../src/reference/patches.js";
import * as reference from "../../src/reference/transfer.js";
import { bytesOf, type Case, elements, label, type Sides, type Suite, type Uniform } from "../case.js";
import { rounding, worstError } from "../oracle.js";

/** Of LR and Ref↓, which are of one size here. */
const SHAPES: readonly Sides[] = [
  [1, 64, 40, 40],
  [9, 64, 40, 40],
  [1, 64, 80, 128],
];
/** 256 blocks, 16,384 positions, patches of 576 values at one dilation: what is compared with other frameworks. */
const SQUARE: Sides = [1, 64, 128, 128];
export const PATCH = 9;
export const SCALES = [1, 2, 4] as const;

/** Whether the sides can be cut into blocks of 8. */
export function isCut([, , H, W]: Sides): boolean {
  return [H, W].every((side) => side % 8 === 0 && side >= 16);
}

/** Shapes that cannot be cut into blocks are left out. */
export const matchingCases: Suite = (shapes) => {
  const wanted = (shapes ?? SHAPES).filter(isCut);
  return [
    ...wanted.map((shape) => coarse(shape, [1, 2, 3])),
    ...(shapes ? [] : [coarse(SQUARE, [1])]),
    ...wanted.map(fine),
    ...wanted.flatMap((shape) => SCALES.map((scale) => extraction(shape, scale))),
  ];
};

function geometryOf([, , H, W]: Sides, dilations?: readonly number[]): MatchGeometry {
  return matchGeometry({ lr: [H, W], refDown: [H, W], ...(dilations && { dilations }) });
}

function coarse(shape: Sides, dilations: readonly number[]): Case {
  const [N, C, H, W] = shape;
  const geometry = geometryOf(shape, dilations);
  const [py, px] = geometry.blocks;
  const [ky, kx] = geometry.block;
  return {
    name: `coarse_match dilations ${dilations.join()} ${label(shape)}`,
    flops: 2 * N * py * px * H * W * PATCH * C * dilations.length,
    bytes: bytesOf(shape, shape, [N, py * px], [N, py * px]),
    inputs: { lr: shape, ref: shape },
    build: ({ lr, ref }) => ({ ...coarseMatch(lr!, ref!, geometry) }),
    check({ lr, ref, index, score }, uniform) {
      const [lrMap, refMap] = [ndarray(shape, lr), ndarray(shape, ref)];
      const cosines = (block: number, at: number) => {
        const n = Math.floor(block / (py * px));
        const [y, x] = [Math.floor((block % (py * px)) / px) * ky + (ky >> 1), (block % px) * kx + (kx >> 1)];
        return dilations.reduce((sum, dilation) => {
          const query = patch(lrMap, n, y, x, "replicate", dilation);
          return sum + dot(query.unit, patch(refMap, n, Math.floor(at / W), at % W, "zero", dilation).unit);
        }, 0);
      };
      // A cosine's products add up to 1 at most, and each factor carries the roundings of its norm.
      const bound = 2 * dilations.length * rounding(PATCH * C);
      return searchError({ index: index!, score: score!, positions: H * W, cosines, bound }, uniform);
    },
  };
}

interface Search {
  readonly index: Data;
  readonly score: Data;
  readonly positions: number;
  cosines(query: number, at: number): number;
  readonly bound: number;
}

/** Queries looked at, and positions that each of their matches is held against. */
const QUERIES = 20;
const RIVALS = 50;

/** The score found must be that of the position found, and no other position may be better. */
function searchError({ index, score, positions, cosines, bound }: Search, uniform: Uniform): number {
  return worstError(
    score,
    uniform,
    (query) => {
      const value = cosines(query, index[query]!);
      for (let rival = 0; rival < RIVALS; rival++)
        if (cosines(query, Math.floor(uniform() * positions)) > value + 2 * bound) return { value: Infinity, bound };
      return { value, bound };
    },
    QUERIES,
  );
}

/** Shapes and draws of the windows' corners in Ref↓; no window reaches beyond its edges. */
function corners([N, , H, W]: Sides, { blocks: [py, px], window }: MatchGeometry) {
  const spec = { shape: [N, py * px], dtype: "i32" } as const;
  const within = (side: number, length: number) => (data: Data, uniform: Uniform) =>
    data.forEach((_, i) => {
      data[i] = Math.floor(uniform() * (side - length + 1));
    });
  return {
    inputs: { originX: spec, originY: spec },
    draw: { originX: within(W, window[1]), originY: within(H, window[0]) },
  };
}

function fine(shape: Sides): Case {
  const [N, C, H, W] = shape;
  const geometry = geometryOf(shape);
  const [height, width] = geometry.window.map((side) => side - 2) as [number, number];
  const [py, px] = geometry.blocks;
  const [ky, kx] = geometry.block;
  const { inputs, draw } = corners(shape, geometry);
  return {
    name: `fine_match ${label(shape)}`,
    flops: 2 * N * H * W * height * width * PATCH * C,
    bytes: bytesOf(shape, shape, [N, py * px], [N, py * px], [N, H, W], [N, H, W]),
    inputs: { lr: shape, ref: shape, ...inputs },
    draw,
    build: ({ lr, ref, originX, originY }) => ({
      ...fineMatch({ lr: lr!, ref: ref!, originX: originX!, originY: originY! }, geometry),
    }),
    check({ lr, ref, originX, originY, index, score }, uniform) {
      const [lrMap, refMap] = [ndarray(shape, lr), ndarray(shape, ref)];
      const cosines = (query: number, at: number) => {
        const block = Math.floor(query / (ky * kx));
        const n = Math.floor(block / (py * px));
        const y = Math.floor((block % (py * px)) / px) * ky + Math.floor((query % (ky * kx)) / kx);
        const x = (block % px) * kx + (query % kx);
        const [row, column] = [originY![block]! + 1 + Math.floor(at / width), originX![block]! + 1 + (at % width)];
        return dot(patch(lrMap, n, y, x, "replicate").unit, patch(refMap, n, row, column, "zero").unit);
      };
      const bound = 2 * rounding(PATCH * C);
      return searchError({ index: index!, score: score!, positions: height * width, cosines, bound }, uniform);
    },
  };
}

/** Matches of an image: the windows' corners and, for each pixel, any position in its window. */
export function matchInputs(shape: Sides) {
  const geometry = geometryOf(shape);
  const { inputs, draw } = corners(shape, geometry);
  const { blocks, block, window } = geometry;
  const matches = [shape[0] * blocks[0] * blocks[1], ...block];
  const positions = (window[0] - 2) * (window[1] - 2);
  const index = (data: Data, uniform: Uniform) =>
    data.forEach((_, i) => {
      data[i] = Math.floor(uniform() * positions);
    });
  return {
    ...{ geometry, matches, draw: { ...draw, index } },
    inputs: { ...inputs, index: { shape: matches, dtype: "i32" } as const },
  };
}

function extraction(shape: Sides, scale: 1 | 2 | 4): Case {
  const [N, C, H, W] = shape;
  const { geometry, matches, inputs, draw } = matchInputs(shape);
  const { window, blocks } = geometry;
  const feature: Sides = [N, C, scale * H, scale * W];
  return {
    name: `transfer ×${scale} ${label(shape)}`,
    // The mean of nine values, times the attention.
    flops: 10 * elements(feature),
    bytes: bytesOf(feature, feature, matches, matches),
    inputs: { feature, score: matches, ...inputs },
    draw,
    build: ({ feature, index, score, originX, originY }) => ({
      y: transfer(
        { feature: feature!, index: index!, score: score!, originX: originX!, originY: originY! },
        { blocks, window, scale },
      ),
    }),
    check(data, uniform) {
      const expected = blockOfTransfer(data as Readonly<Record<string, Data>>, feature, geometry, scale);
      return worstError(data.y!, uniform, expected, QUERIES);
    },
  };
}

/** Any element of the extraction, from the reference on its block and channel alone. */
function blockOfTransfer(
  data: Readonly<Record<string, Data>>,
  [, C, H, W]: Sides,
  { blocks: [py, px], block: [ky, kx], window }: MatchGeometry,
  scale: number,
) {
  const { feature, index, score, originX, originY } = data as Record<string, Data> as Record<
    "feature" | "index" | "score" | "originX" | "originY",
    Data
  >;
  return (i: number) => {
    const [channel, y, x] = [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W];
    const [by, bx] = [Math.floor(y / (scale * ky)), Math.floor(x / (scale * kx))];
    const b = (Math.floor(channel / C) * py + by) * px + bx;
    const ref = ndarray([1, 1, scale * window[0], scale * window[1]]);
    const side = scale * window[1];
    const first = channel * H * W + scale * (originY[b]! * W + originX[b]!);
    for (let k = 0; k < ref.data.length; k++)
      ref.data[k] = feature[first + Math.floor(k / side) * W + (k % side)] as number;
    const own = (values: Data) => ndarray([1, ky, kx], values.subarray(b * ky * kx, (b + 1) * ky * kx));
    const zero = ndarray([1, 1]);
    const inputs = { ref, index: own(index), score: own(score), originX: zero, originY: zero };
    const attributes = { blocks: [1, 1], window, scale } as const;
    const at = (y % (scale * ky)) * scale * kx + (x % (scale * kx));
    const value = reference.transfer(inputs, attributes).data[at]!;
    const absolute = { ...inputs, ref: { ...ref, data: ref.data.map(Math.abs) }, score: own(score) };
    absolute.score.data.set(absolute.score.data.map(Math.abs));
    // Nine terms, each with some ten roundings of weights and quotient: rounding(324), as in test/graph/ops/transfer.test.ts.
    return { value, bound: rounding(324) * reference.transfer(absolute, attributes).data[at]! };
  };
}
