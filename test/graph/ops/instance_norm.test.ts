import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { instanceNorm } from "../../../src/graph/ops/instance_norm.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/instance_norm.js";
import { testDevice } from "../../device.js";
import { checkOperation, type Random } from "./check.js";

/** Scale and offset of the inputs: centred, small beside their offset, far away, nearly constant. */
const RANGES = [
  [1, 0],
  [0.01, 1],
  [3, -20],
  [0.001, 0.5],
] as const;
/** Planes of one element, of two pieces and of three, and what lies between. */
const LARGE = [
  [1, 1, 1, 1],
  [2, 3, 1, 1],
  [1, 2, 64, 64],
  [1, 1, 67, 71],
  [2, 1, 90, 93],
  [1, 70, 3, 2],
];

function sampleShape(random: Random, i: number): readonly number[] {
  return LARGE[i] ?? [random.int(1, 3), random.int(1, 5), random.int(1, 13), random.int(1, 17)];
}

/** f(plane of x, plane of dy, sink) for every plane. */
function planes(x: NdArray, dy: NdArray, f: (x: Float64Array, dy: Float64Array, out: Float64Array) => void): NdArray {
  const [, , H, W] = x.shape as [number, number, number, number];
  const out = ndarray(x.shape);
  for (let start = 0; start < x.data.length; start += H * W) {
    const part = (array: NdArray) => array.data.subarray(start, start + H * W);
    f(part(x), part(dy), part(out));
  }
  return out;
}

const mean = (values: Float64Array, f = (value: number) => value) =>
  values.reduce((sum, value) => sum + f(value) / values.length, 0);

/**
 * Σ|terms| of y, to be taken 4·√n·2⁻²⁴ times: the deviations from the mean, twice (from the first element, and of the
 * variance), and the mean itself, which is rounded once (hence the √n), all divided by the standard deviation.
 */
function forwardSize(x: Float64Array, eps: number): number {
  const centre = mean(x);
  const spread = Math.max(...x.map((value) => Math.abs(value - centre)));
  const variance = mean(x, (value) => (value - centre) ** 2);
  return (Math.abs(centre) / Math.sqrt(x.length) + 3 * spread) / Math.sqrt(variance + eps);
}

describe("instance_norm", () => {
  checkOperation<{ eps: number }>("instance_norm", {
    cases: 56,
    sample: (random, i) => {
      const [scale, offset] = RANGES[i % RANGES.length] as (typeof RANGES)[number];
      return { inputs: { x: random.array(sampleShape(random, i), scale, offset) }, attributes: { eps: 1e-5 } };
    },
    graph: ({ x }, { eps }) => ({ y: instanceNorm(x as Tensor, eps) }),
    reference: ({ x }, { eps }) => ({ y: reference.instanceNorm(x as NdArray, eps) }),
    gradient: ({ x }, { y }, { eps }) => ({ x: reference.instanceNormGradient(x as NdArray, y as NdArray, eps) }),
    terms: ({ x }) => (x?.shape[2] ?? 1) * (x?.shape[3] ?? 1),
    magnitude: ({ x }, { eps }) => ({
      y: planes(x as NdArray, x as NdArray, (values, _, out) => out.fill(forwardSize(values, eps))),
    }),
    // dx = (dy − mean(dy) − y·mean(dy·y)) / std; y's own error (its size F) enters both factors of the last term.
    gradientMagnitude: ({ x }, { y: dy }, { eps }) => ({
      x: planes(x as NdArray, dy as NdArray, (values, upstream, out) => {
        const centre = mean(values);
        const factor = 1 / Math.sqrt(mean(values, (value) => (value - centre) ** 2) + eps);
        const size = forwardSize(values, eps);
        const average = mean(upstream, Math.abs);
        for (const [i, value] of upstream.entries())
          out[i] = factor * (Math.abs(value) + average + 3 * size * size * average);
      }),
    }),
  });

  it("a constant plane gives exactly 0, whatever the constant", async () => {
    const constants = [0.1, 0.75, -3.3, 1e-6, 12345.678];
    const shape = [1, constants.length, 70, 61];
    const plan = await compile(await testDevice(), { x: shape }, ({ x }) => ({ y: instanceNorm(x) }));
    const data = Float32Array.from({ length: constants.length * 4270 }, (_, i) => constants[Math.floor(i / 4270)] ?? 0);
    const { y } = dataOf(await plan.run({ x: data }));
    plan.dispose();
    expect(y.every((value) => value === 0)).to.equal(true);
    data[5] = 0.2;
    expect(reference.instanceNorm(ndarray(shape, data), 1e-5).data.some((value) => value !== 0)).to.equal(true);
  });

  it("gives the same bits in every run", async () => {
    const shape = [2, 2, 65, 66];
    const plan = await compile(await testDevice(), { x: shape, dy: shape }, ({ x, dy }) => {
      const y = instanceNorm(x);
      return { y, dx: grad([y], [x], [dy])[0] as Tensor };
    });
    const values = (scale: number) =>
      Float32Array.from(map(ndarray(shape), (_, i) => Math.sin(scale * i + scale)).data);
    const runs = [];
    for (let run = 0; run < 2; run++) runs.push(dataOf(await plan.run({ x: values(0.37), dy: values(1.7) })));
    plan.dispose();
    expect(runs[0]).to.deep.equal(runs[1]);
  });

  it("refuses what is not [N, C, H, W]", () => {
    const build = (shape: number[]) => trace(() => instanceNorm(input("features", shape)));
    expect(() => build([1, 2, 3])).to.throw(ShapeError, "instance_norm: x has shape [1,2,3]");
    expect(build([1, 2, 3, 4]).result.shape).to.deep.equal([1, 2, 3, 4]);
  });
});
