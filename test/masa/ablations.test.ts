/**
 * The lesser networks of the paper's tables 3 and 4. Their modules are compared with float64, within the bound that every
 * operation has (see test/graph/ops/check.ts): 4·√K·2⁻²⁴·Σ|terms|, here with the K products of the convolutions on the way.
 */
import { expect } from "chai";
import { compile, dataOf } from "../../src/graph/plan/plan.js";
import type { Tensor } from "../../src/graph/trace/tensor.js";
import { SpatialAdaptation } from "../../src/masa/adaptation.js";
import { DualResidualAggregation } from "../../src/masa/aggregation.js";
import { ADAPTATIONS, AGGREGATIONS, configOf, type MasaConfig, masaConfig } from "../../src/masa/config.js";
import { Masa } from "../../src/masa/masa.js";
import type { Module } from "../../src/nn/module.js";
import { map, type NdArray } from "../../src/reference/array.js";
import { bilinearResize } from "../../src/reference/bilinear.js";
import { concat } from "../../src/reference/concat.js";
import { convTranspose2d } from "../../src/reference/conv_transpose2d.js";
import { conv2d } from "../../src/reference/conv2d.js";
import { instanceNorm } from "../../src/reference/instance_norm.js";
import { pointwise } from "../../src/reference/pointwise.js";
import { testDevice } from "../device.js";
import { type Arrays, Random } from "../graph/ops/check.js";

const C = 5;
const add = (a: NdArray, b: NdArray) => pointwise("add", a, b);
const relu = (x: NdArray) => pointwise("relu", x);

/** Runs a module with random weights; gives its result, the weights as float64, and their absolute values. */
async function runModule(inputs: Arrays, module: Module & { forward(lr: Tensor, ref: Tensor): Tensor }) {
  const device = await testDevice();
  const random = new Random("weights");
  const { parameters } = module;
  await parameters.allocate(device);
  const weights: Record<string, NdArray> = {};
  for (const variable of parameters.all) {
    weights[variable.name] = random.array(variable.shape, 0.5);
    parameters.write(variable, Float32Array.from(weights[variable.name]!.data));
  }
  const shapes = { lr: inputs.lr!.shape, ref: inputs.ref!.shape };
  const plan = await compile(device, shapes, ({ lr, ref }) => ({ y: module.forward(lr, ref) }));
  const { y } = dataOf(
    await plan.run({ lr: Float32Array.from(inputs.lr!.data), ref: Float32Array.from(inputs.ref!.data) }),
  );
  plan.dispose();
  parameters.dispose();
  return { y, weights };
}

const absolutes = (arrays: Arrays) =>
  Object.fromEntries(Object.entries(arrays).map(([name, x]) => [name, map(x, Math.abs)]));

function expectWithin(got: ArrayLike<number>, expected: NdArray, magnitude: NdArray, terms: number): void {
  expect(got.length).to.equal(expected.data.length);
  const unit = 4 * Math.sqrt(terms) * 2 ** -24;
  for (const [i, value] of expected.data.entries())
    expect(Math.abs(got[i]! - value), `element ${i}`).to.be.at.most(unit * magnitude.data[i]!);
}

describe("ablations", () => {
  const parameters = (changes: Partial<MasaConfig>) => new Masa(changes).parameters.count;

  it("have the parameters of the paper's table 3", () => {
    // 3.88, 3.88, 3.99 and 4.03 M.
    expect(parameters({ adaptation: "none" })).to.equal(3_880_643);
    expect(parameters({ adaptation: "adain" })).to.equal(3_880_643);
    expect(parameters({ adaptation: "spade" })).to.equal(3_991_427);
    expect(parameters({ adaptation: "sam" })).to.equal(4_028_291);
  });

  it("have the parameters of the paper's table 4", () => {
    // 3.73, 3.88, 3.88 and 4.03 M.
    expect(parameters({ aggregation: "concat" })).to.equal(3_732_867);
    expect(parameters({ aggregation: "ref" })).to.equal(3_880_579);
    expect(parameters({ aggregation: "lr" })).to.equal(3_880_579);
    expect(parameters({ aggregation: "dual" })).to.equal(4_028_291);
  });

  it("are told by their tensors, as far as they have any", () => {
    const small = { channels: 4, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] } as const;
    const told = (changes: Partial<MasaConfig>) => {
      const { all } = new Masa({ ...small, ...changes }).parameters;
      return configOf(new Map(all.map(({ name, shape }) => [name, { shape }])));
    };
    for (const aggregation of AGGREGATIONS) expect(told({ aggregation }).aggregation).to.equal(aggregation);
    const found = ADAPTATIONS.map((adaptation) => told({ adaptation }).adaptation);
    // Without parameters AdaIN and nothing look alike, and like a file that lost SAM's.
    expect(found).to.deep.equal(["sam", "spade", "sam", "sam"]);
    expect(configOf(new Map())).to.deep.equal(masaConfig());
  });

  describe("of the adaptation", () => {
    const random = new Random("adaptation");
    const inputs = { lr: random.array([2, C, 6, 7], 1, 0.3), ref: random.array([2, C, 6, 7], 2, -1) };
    const build = (kind: MasaConfig["adaptation"]) => new SpatialAdaptation(C, kind);

    it("none leave the reference as it is", async () => {
      const { y, weights } = await runModule(inputs, build("none"));
      expect([...y]).to.deep.equal([...inputs.ref.data]);
      expect(weights).to.deep.equal({});
    });

    it("AdaIN gives it the statistics of LR", async () => {
      const { y } = await runModule(inputs, build("adain"));
      const moments = (values: ArrayLike<number>, plane: number) => {
        const own = Array.from(values).slice(plane * 42, (plane + 1) * 42);
        const mean = own.reduce((sum, value) => sum + value / 42, 0);
        return { mean, square: own.reduce((sum, value) => sum + (value - mean) ** 2, 0) };
      };
      for (let plane = 0; plane < 2 * C; plane++) {
        const [got, want] = [moments(y, plane), moments(inputs.lr.data, plane)];
        expect(got.mean).to.be.closeTo(want.mean, 1e-5);
        // The deviation taken from LR is unbiased, that of the normalisation is not and has its epsilon.
        const { square } = moments(inputs.ref.data, plane);
        expect(got.square).to.be.closeTo((want.square * 42 * square) / (41 * (square + 42e-5)), 1e-4);
      }
    });

    it("SPADE modulates it by what it learned of LR", async () => {
      const { y, weights } = await runModule(inputs, build("spade"));
      const spade = (lr: NdArray, w: Arrays, normalised: NdArray) => {
        const convolve = (x: NdArray, name: string) =>
          conv2d(x, w[`${name}.weight`]!, w[`${name}.bias`], { stride: 1, padding: 1, dilation: 1 });
        const style = relu(convolve(lr, "conv_shared.0"));
        const gamma = map(convolve(style, "conv_gamma"), (value) => value + 1);
        return add(pointwise("mul", normalised, gamma), convolve(style, "conv_beta"));
      };
      const normalised = instanceNorm(inputs.ref, 1e-5);
      const magnitude = spade(
        absolutes(inputs).lr!,
        absolutes(weights),
        map(normalised, (value) => Math.abs(value) + 1),
      );
      expectWithin(y, spade(inputs.lr, weights, normalised), magnitude, 18 * C + 42);
    });
  });

  describe("of the aggregation", () => {
    const random = new Random("aggregation");
    const inputs = { lr: random.array([2, C, 4, 5]), ref: random.array([2, C, 8, 10]) };

    /** `minus` is 1 where the sum of the absolute terms is wanted. */
    function aggregate(kind: MasaConfig["aggregation"], { lr, ref }: Arrays, w: Arrays, minus: number): NdArray {
      const sub = (a: NdArray, b: NdArray) =>
        add(
          a,
          map(b, (value) => minus * value),
        );
      const down = (branch: string) =>
        relu(
          conv2d(ref!, w[`conv_down_${branch}.weight`]!, w[`conv_down_${branch}.bias`], {
            ...{ stride: 2, padding: 1, dilation: 1 },
          }),
        );
      const up = (x: NdArray, branch: string) =>
        relu(
          convTranspose2d(x, w[`conv_up_${branch}.weight`]!, w[`conv_up_${branch}.bias`], {
            ...{ stride: 2, padding: 1, outputPadding: 1 },
          }),
        );
      const detailed = kind === "dual" || kind === "ref" ? add(up(sub(down("a"), lr!), "a"), ref!) : ref!;
      const refined =
        kind === "dual" || kind === "lr"
          ? up(add(sub(lr!, down("b")), lr!), "b")
          : bilinearResize(lr!, [ref!.shape[2]!, ref!.shape[3]!]);
      const both = concat([detailed, refined], 1);
      return relu(conv2d(both, w["conv_cat.weight"]!, w["conv_cat.bias"], { stride: 1, padding: 1, dilation: 1 }));
    }

    for (const kind of AGGREGATIONS)
      it(`${kind} refines the features it names`, async () => {
        const { y, weights } = await runModule(inputs, new DualResidualAggregation(C, kind));
        const magnitude = aggregate(kind, absolutes(inputs), absolutes(weights), 1);
        expectWithin(y, aggregate(kind, inputs, weights, -1), magnitude, (9 + 9 + 18) * C);
      });
  });
});
