import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { meanStd } from "../../../src/graph/ops/mean_std.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/mean_std.js";
import { testDevice } from "../../device.js";
import { checkOperation, type Random } from "./check.js";

const RANGES = [
  [1, 0],
  [0.01, 1],
  [3, -20],
] as const;
/** Two elements, one row, and planes of two pieces and of three. */
const SPECIAL = [
  [1, 1, 1, 2],
  [2, 3, 2, 1],
  [1, 1, 1, 4097],
  [1, 2, 64, 64],
  [2, 1, 90, 93],
  [1, 70, 3, 2],
];

function sampleShape(random: Random, i: number): readonly number[] {
  return SPECIAL[i] ?? [random.int(1, 3), random.int(1, 5), random.int(1, 13), random.int(2, 17)];
}

const planeLength = (x: NdArray) => (x.shape[2] ?? 1) * (x.shape[3] ?? 1);

/** Largest |x − mean| of each plane. */
function spreads(x: NdArray, { data: means }: NdArray): number[] {
  const length = planeLength(x);
  return [...means].map((mean, p) =>
    Math.max(...x.data.subarray(p * length, (p + 1) * length).map((value) => Math.abs(value - mean))),
  );
}

/** Σ|terms| of mean and std, to be taken 4·√n·2⁻²⁴ times: deviations, and the mean rounded once (hence the √n). */
function sizes(x: NdArray): NdArray {
  const { mean } = reference.meanStd(x);
  const spread = spreads(x, mean);
  return map(mean, (value, p) => Math.abs(value) / Math.sqrt(planeLength(x)) + 2 * (spread[p] as number));
}

describe("mean_std", () => {
  checkOperation<null>("mean_std", {
    cases: 56,
    sample: (random, i) => {
      const [scale, offset] = RANGES[i % RANGES.length] as (typeof RANGES)[number];
      return { inputs: { x: random.array(sampleShape(random, i), scale, offset) }, attributes: null };
    },
    graph: ({ x }) => meanStd(x as Tensor),
    reference: ({ x }) => reference.meanStd(x as NdArray),
    gradient: ({ x }, { mean, std }) => ({
      x: reference.meanStdGradient(x as NdArray, mean as NdArray, std as NdArray),
    }),
    terms: ({ x }) => planeLength(x as NdArray),
    magnitude: ({ x }) => ({ mean: sizes(x as NdArray), std: sizes(x as NdArray) }),
    // Each deviation carries the error of the mean, the quotient that of the std (relative to itself) once more.
    gradientMagnitude({ x }, { mean: dmean, std: dstd }) {
      const { std } = reference.meanStd(x as NdArray);
      const size = sizes(x as NdArray);
      const length = planeLength(x as NdArray);
      const at = (array: NdArray | undefined, i: number) => Math.abs(array?.data[Math.floor(i / length)] as number);
      return {
        x: map(x as NdArray, (_, i) => {
          const relative = at(size, i) / at(std, i);
          return at(dmean, i) / length + (at(dstd, i) / (length - 1)) * relative * (1 + relative);
        }),
      };
    },
  });

  it("gives no gradient through a std of 0, and no NaN", async () => {
    const plan = await compile(await testDevice(), { x: [1, 2, 8, 600], ones: [1, 2, 1, 1] }, ({ x, ones }) => {
      const { mean, std } = meanStd(x);
      return { std, both: grad([mean, std], [x], [ones, ones])[0] as Tensor };
    });
    const x = new Float32Array(9600).fill(0.1, 0, 4800).map((value, i) => (i < 4800 ? value : Math.sin(i)));
    const { std, both } = dataOf(await plan.run({ x, ones: new Float32Array([1, 1]) }));
    plan.dispose();
    expect(std[0]).to.equal(0);
    expect(std[1]).to.be.above(0.5);
    expect(both.subarray(0, 4800).every((value) => Math.abs(value - 1 / 4800) < 1e-9)).to.equal(true);
    expect(new Set(both.subarray(4800)).size).to.be.above(1000);
  });

  it("gives the gradient of one output where the loss depends on that one alone", async () => {
    const plan = await compile(await testDevice(), { x: [1, 2, 3, 4], up: [1, 2, 1, 1] }, ({ x, up }) => {
      const { mean, std } = meanStd(x);
      return { ofMean: grad([mean], [x], [up])[0] as Tensor, ofStd: grad([std], [x], [up])[0] as Tensor };
    });
    const x = ndarray(
      [1, 2, 3, 4],
      Float32Array.from({ length: 24 }, (_, i) => Math.cos(3 * i)),
    );
    const up = ndarray([1, 2, 1, 1], [0.5, -2]);
    const got = dataOf(await plan.run({ x: Float32Array.from(x.data), up: Float32Array.from(up.data) }));
    plan.dispose();
    const none = ndarray(up.shape);
    for (const [name, expected] of [
      ["ofMean", reference.meanStdGradient(x, up, none)],
      ["ofStd", reference.meanStdGradient(x, none, up)],
    ] as const)
      for (const [i, value] of expected.data.entries()) expect(got[name][i], name).to.be.closeTo(value, 1e-6);
  });

  it("refuses planes of one element and what is not [N, C, H, W]", () => {
    const build = (shape: number[]) => trace(() => meanStd(input("features", shape)));
    expect(() => build([2, 3, 1, 1])).to.throw(ShapeError, "features has shape [2,3,1,1]");
    expect(() => build([2, 3, 4])).to.throw(ShapeError, "not [N, C, H, W]");
    expect(build([2, 3, 1, 2]).result.std.shape).to.deep.equal([2, 3, 1, 1]);
  });
});
