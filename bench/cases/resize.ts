/** Enlarging four times, bilinear and bicubic, and the gradients. */

import { bicubicResize } from "../../src/graph/ops/bicubic.js";
import { bilinearResize } from "../../src/graph/ops/bilinear.js";
import { fill } from "../../src/graph/ops/pointwise.js";
import { grad } from "../../src/graph/trace/grad.js";
import { map } from "../../src/reference/array.js";
import { bicubicTaps } from "../../src/reference/bicubic.js";
import { bilinearTaps } from "../../src/reference/bilinear.js";
import { resample, resampleGradient, type Taps } from "../../src/reference/resample.js";
import { bytesOf, type Case, elements, label, type Sides, type Suite } from "../case.js";
import { plane, rounding, worstPlaneError } from "../oracle.js";

const SHAPES: readonly Sides[] = [
  [1, 64, 40, 40],
  [1, 3, 80, 128],
];
const SCALE = 4;
/** Name, operation, reference and its taps an output. */
const FILTERS = [
  ["bilinear", bilinearResize, bilinearTaps, 4],
  ["bicubic", bicubicResize, bicubicTaps, 16],
] as const;

export const resizeCases: Suite = (shapes = SHAPES) =>
  FILTERS.flatMap((filter) => shapes.flatMap((shape) => resizing(filter, shape)));

function resizing([name, resize, taps, count]: (typeof FILTERS)[number], x: Sides): Case[] {
  const [N, C, H, W] = x;
  const size = [SCALE * H, SCALE * W] as const;
  const y: Sides = [N, C, ...size];
  const work = { flops: 2 * count * elements(y), bytes: bytesOf(x, y) };
  const absolute: Taps = (...place) => taps(...place).map(([i, weight]) => [i, Math.abs(weight)]);
  // As in test/graph/ops: an input feeds 2·SCALE (bilinear) or 4·SCALE outputs along a side and more at the border; a weight is
  // itself rounded several times.
  const unit = rounding(4 * (count + count * SCALE) ** 2);
  const bounds = (sizes: Float64Array) => (i: number) => unit * (sizes[i] as number);
  const forward: Case = {
    ...work,
    name: `${name} forward ×${SCALE} ${label(x)}`,
    inputs: { x },
    build: ({ x }) => ({ y: resize(x!, size) }),
    check: (data, uniform) =>
      worstPlaneError(data.y!, y, uniform, (p) => {
        const image = plane(data.x!, x, p);
        const sizes = resample(map(image, Math.abs), size, absolute).data;
        return { values: resample(image, size, taps).data, bounds: bounds(sizes) };
      }),
  };
  const gradient: Case = {
    ...work,
    name: `${name} dx ×${SCALE} ${label(x)}`,
    inputs: { dy: y },
    build({ dy }) {
      const unread = fill(x, 0);
      return { dx: grad([resize(unread, size)], [unread], [dy!])[0]! };
    },
    check: (data, uniform) =>
      worstPlaneError(data.dx!, x, uniform, (p) => {
        const upstream = plane(data.dy!, y, p);
        const sizes = resampleGradient(map(upstream, Math.abs), [1, 1, H, W], absolute).data;
        return { values: resampleGradient(upstream, [1, 1, H, W], taps).data, bounds: bounds(sizes) };
      }),
  };
  return [forward, gradient];
}
