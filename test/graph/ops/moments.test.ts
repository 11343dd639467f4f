import { expect } from "chai";
import { blockMoments, combineMoments } from "../../../src/graph/ops/moments.js";
import { compile } from "../../../src/graph/plan/plan.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import { meanStd } from "../../../src/reference/mean_std.js";
import { blockMoments as reference } from "../../../src/reference/moments.js";
import { testDevice } from "../../device.js";
import { checkOperation, Random } from "./check.js";

const RANGES = [
  [1, 0],
  [0.01, 1],
  [3, -20],
] as const;
/** One pixel, whole blocks, and edges in both directions, with widths that are and are not multiples of 4. */
const SPECIAL = [
  [1, 1, 1, 1],
  [1, 2, 16, 16],
  [2, 1, 32, 48],
  [1, 3, 17, 20],
  [1, 1, 31, 33],
  [2, 2, 5, 70],
];

describe("moments", () => {
  checkOperation<null>("block_moments", {
    sample: (random, i) => {
      const [scale, offset] = RANGES[i % RANGES.length] as (typeof RANGES)[number];
      const shape = SPECIAL[i] ?? [random.int(1, 2), random.int(1, 4), random.int(1, 40), random.int(1, 60)];
      return { inputs: { x: random.array(shape, scale, offset) }, attributes: null };
    },
    graph: ({ x }) => blockMoments(x as Tensor),
    reference: ({ x }) => reference(x as NdArray),
    terms: () => 1024,
    // Both passes sum differences that are as large as the spread; the mean is rounded once.
    magnitude: ({ x }) => {
      const spread = Math.max(...(x as NdArray).data) - Math.min(...(x as NdArray).data);
      const { mean } = reference(x as NdArray);
      return {
        mean: map(mean, (value) => Math.abs(value) / 32 + spread),
        deviation: map(mean, () => 1024 * spread ** 2),
      };
    },
  });

  it("combine to the mean and the standard deviation of planes", async () => {
    const device = await testDevice();
    const x = new Random("combine").array([2, 3, 41, 57], 1, 5);
    const step = await compile(device, { x: x.shape }, ({ x: tensor }) =>
      combineMoments(blockMoments(tensor), x.shape, "STD"),
    );
    const { mean, spread } = await step.run({ x: Float32Array.from(x.data) });
    step.dispose();
    const expected = meanStd(x);
    for (const [i, value] of expected.mean.data.entries()) expect(mean.data[i]).to.be.closeTo(value, 1e-5);
    for (const [i, value] of expected.std.data.entries()) expect(spread.data[i]).to.be.closeTo(value, 1e-5);
  });
});
