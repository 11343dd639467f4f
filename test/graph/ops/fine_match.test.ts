import { expect } from "chai";
import { LimitError, ShapeError } from "../../../src/gpu/errors.js";
import { type FineMatchOptions, fineMatch } from "../../../src/graph/ops/fine_match.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/fine_match.js";
import { testDevice } from "../../device.js";
import { type Arrays, checkOperation, Random } from "./check.js";

/** Blocks, few because each is a shader of its own: no rim but the map's, odd, MASA's own, one thread a query, tall. */
const BLOCKS = [
  [1, 1],
  [3, 5],
  [8, 8],
  [15, 12],
  [7, 2],
] as const;

describe("fine_match", () => {
  checkOperation<FineMatchOptions>("fine_match", {
    cases: 50,
    // Where two positions are equally good to float32's eye either is right, and the score has a kink: draw again.
    sample: (random, i) => drawUntil(random, i, ({ margin }) => margin.data.every((lead) => lead > 1e-5)),
    integers: ["originX", "originY"],
    graph: (inputs, options) => fineMatch(tensors(inputs), options),
    reference(inputs, attributes) {
      const { index, score } = reference.fineMatch(arrays(inputs), attributes);
      return { index, score };
    },
    gradient(inputs, { score }, attributes) {
      const { index } = reference.fineMatch(arrays(inputs), attributes);
      const { dlr, dref } = reference.fineMatchGradient(arrays(inputs), index, score!, attributes);
      return { lr: dlr, ref: dref };
    },
    terms: ({ lr, originX }) => 9 * (lr!.shape[1] as number) * originX!.data.length,
    // The positions are exact. A cosine adds up Σ|q̂·r̂| ≤ 1, and each factor carries the roundings of its norm: 2.
    magnitude(inputs, attributes) {
      const { shape } = reference.fineMatch(arrays(inputs), attributes).score;
      return { index: ndarray(shape), score: map(ndarray(shape), () => 2) };
    },
    gradientMagnitude: (inputs, { score }, attributes) => magnitudes(arrays(inputs), score!, attributes),
  });

  checkOperation<FineMatchOptions>("fine_match with given positions", {
    cases: 25,
    sample(random, i) {
      const { inputs, attributes } = drawUntil(random, i, () => true);
      const positions = (attributes.window[0] - 2) * (attributes.window[1] - 2);
      const { shape } = reference.fineMatch(arrays(inputs), attributes).index;
      const index = map(ndarray(shape), () => random.int(0, positions - 1));
      return { inputs: { ...inputs, index }, attributes };
    },
    integers: ["originX", "originY", "index"],
    graph: (inputs, options) => ({ score: fineMatch({ ...tensors(inputs), index: inputs.index }, options).score }),
    reference: (inputs, attributes) => ({
      score: reference.fineMatch(arrays(inputs), attributes, inputs.index).score,
    }),
    gradient(inputs, { score }, attributes) {
      const { dlr, dref } = reference.fineMatchGradient(arrays(inputs), inputs.index!, score!, attributes);
      return { lr: dlr, ref: dref };
    },
    terms: ({ lr, originX }) => 9 * (lr!.shape[1] as number) * originX!.data.length,
    magnitude: ({ index }) => ({ score: map(index!, () => 2) }),
    gradientMagnitude: (inputs, { score }, attributes) => magnitudes(arrays(inputs), score!, attributes, inputs.index!),
  });

  async function run(
    inputs: Readonly<Record<"lr" | "ref" | "originX" | "originY", NdArray>>,
    options: FineMatchOptions,
  ) {
    const { lr, ref, originX, originY } = inputs;
    const corner = { shape: originX.shape, dtype: "i32" } as const;
    const plan = await compile(
      await testDevice(),
      { lr: lr.shape, ref: ref.shape, originX: corner, originY: corner },
      (operands) => {
        const found = fineMatch(operands, options);
        const [dlr, dref] = grad([found.score], [operands.lr, operands.ref], [found.score]) as [Tensor, Tensor];
        return { ...found, dlr, dref };
      },
    );
    const result = dataOf(
      await plan.run({
        ...{ lr: Float32Array.from(lr.data), ref: Float32Array.from(ref.data) },
        ...{ originX: Int32Array.from(originX.data), originY: Int32Array.from(originY.data) },
      }),
    );
    plan.dispose();
    return result;
  }

  it("takes the lowest of equal positions", async () => {
    const [lr, ref] = [map(ndarray([1, 2, 9, 9]), () => 1), map(ndarray([1, 2, 20, 20]), () => 3)];
    const origins = { originX: ndarray([1, 1], [2]), originY: ndarray([1, 1], [3]) };
    const { index } = await run({ lr, ref, ...origins }, { blocks: [1, 1], window: [13, 15] });
    expect([...new Set(index)]).to.deep.equal([0]);
  });

  it("gives score 0, position 0 and gradients of 0 for features of zeros", async () => {
    const [lr, ref, origin] = [ndarray([1, 3, 16, 8]), ndarray([1, 3, 10, 10]), ndarray([1, 2])];
    const zero = await run({ lr, ref, originX: origin, originY: origin }, { blocks: [2, 1], window: [9, 9] });
    for (const [name, values] of Object.entries(zero)) expect([...new Set(values)], name).to.deep.equal([0]);
  });

  it("holds norms below 1e-12 there, without a gradient of their own", async () => {
    const random = new Random("tiny");
    const inputs = {
      ...{ lr: random.array([1, 3, 8, 8], 1e-14), ref: random.array([1, 3, 9, 9], 1e-14) },
      ...{ originX: ndarray([1, 1]), originY: ndarray([1, 1]) },
    };
    const options = { blocks: [1, 1], window: [9, 9] } as const;
    const found = await run(inputs, options);
    const expected = reference.fineMatch(inputs, options);
    const { dlr, dref } = reference.fineMatchGradient(inputs, expected.index, expected.score, options);
    for (const [got, { data }] of [
      [found.dlr, dlr],
      [found.dref, dref],
    ] as const) {
      const size = Math.max(...data.map(Math.abs));
      // 27 components and up to 64 matches, some tens of roundings of 2⁻²⁴ each.
      for (const [i, value] of data.entries()) expect(got[i]! / size).to.be.closeTo(value / size, 1e-5);
    }
  });

  it("finds each pixel of a block that was cut out of the window, with score 1", async () => {
    const ref = map(ndarray([1, 4, 15, 15]), (_, i) => Math.sin(i * i));
    const lr = map(ndarray([1, 4, 8, 8]), (_, i) => {
      const [c, y, x] = [Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8];
      return ref.data[(c * 15 + y + 4) * 15 + x + 3] as number;
    });
    const origin = ndarray([1, 1]);
    const found = await run({ lr, ref, originX: origin, originY: origin }, { blocks: [1, 1], window: [15, 15] });
    for (let y = 1; y < 7; y++)
      for (let x = 1; x < 7; x++) {
        expect(found.index[y * 8 + x]).to.equal((y + 3) * 13 + x + 2);
        expect(found.score[y * 8 + x]).to.be.closeTo(1, 1e-6);
      }
  });

  it("rejects wrong operands by name, and blocks too large for a workgroup, beside right ones", async () => {
    const build =
      (sides: { lr?: number[]; ref?: number[]; origin?: number[]; index?: number[]; window?: number }) => () =>
        trace(() => {
          const index = sides.index && input("index", sides.index, "i32");
          const [originX, originY] = [input("originX", sides.origin ?? [1, 4], "i32"), input("originY", [1, 4], "i32")];
          const maps = { lr: input("lr", sides.lr ?? [1, 3, 16, 16]), ref: input("ref", sides.ref ?? [1, 3, 9, 9]) };
          return fineMatch({ ...maps, originX, originY, index }, { blocks: [2, 2], window: [9, sides.window ?? 9] });
        });
    expect(build({ index: [4, 8, 8] })).not.to.throw();
    expect(build({ lr: [1, 3, 16] })).to.throw(ShapeError, "lr");
    expect(build({ ref: [1, 4, 9, 9] })).to.throw(ShapeError, "ref");
    expect(build({ lr: [1, 3, 17, 16] })).to.throw(ShapeError, "blocks");
    expect(build({ origin: [1, 5] })).to.throw(ShapeError, "originX");
    expect(build({ window: 19 })).to.throw(ShapeError, "window");
    expect(build({ index: [4, 8, 9] })).to.throw(ShapeError, "index");
    const origin = ndarray([1, 1]);
    const large = { lr: ndarray([1, 1, 40, 40]), ref: ndarray([1, 1, 9, 9]), originX: origin, originY: origin };
    const error = await run(large, { blocks: [1, 1], window: [9, 9] }).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(LimitError);
  });
});

function drawUntil(random: Random, i: number, accepted: (found: { margin: NdArray }) => boolean) {
  for (;;) {
    const drawn = draw(random, i);
    if (accepted(reference.fineMatch(arrays(drawn.inputs), drawn.attributes))) return drawn;
  }
}

/** Windows may be larger than the reference and wrap. */
function draw(random: Random, i: number) {
  const [N, C] = [random.int(1, 2), i < 6 ? 9 : random.int(2, 5)];
  const blocks = [random.int(1, 2), random.int(1, 2)] as const;
  const [Hr, Wr] = [random.int(2, 10), random.int(2, 10)];
  const side = (length: number) => random.int(3, Math.max(3, Math.floor(1.5 * length)));
  const window = [side(Hr), side(Wr)] as const;
  const corners = (length: number, windowSide: number) =>
    map(ndarray([N, blocks[0] * blocks[1]]), () => random.int(Math.min(0, length - windowSide), length - windowSide));
  const [ky, kx] = random.pick(BLOCKS);
  const inputs = {
    lr: random.array([N, C, blocks[0] * ky, blocks[1] * kx]),
    ref: random.array([N, C, Hr, Wr]),
    originX: corners(Wr, window[1]),
    originY: corners(Hr, window[0]),
  };
  return { inputs, attributes: { blocks, window } };
}

/**
 * Σ|dscore|·(|r̂| + |q̂|) / norm: both terms of each component's gradient, with |cos| taken as 1 because the cosine's own
 * error is in proportion to 1, not to itself. Twice, for the roundings of the two norms.
 */
function magnitudes(
  inputs: reference.FineMatchInputs,
  dscore: NdArray,
  attributes: FineMatchOptions,
  given?: NdArray,
): Arrays {
  const [lr, ref] = [ndarray(inputs.lr.shape), ndarray(inputs.ref.shape)];
  const index = given ?? reference.fineMatch(inputs, attributes).index;
  reference.forEachComponent(inputs, index, attributes, (component) => {
    const size = 2 * Math.abs(dscore.data[component.match] as number) * (Math.abs(component.q) + Math.abs(component.r));
    (lr.data[component.lr] as number) += size / component.qNorm;
    (ref.data[component.ref] as number) += size / component.rNorm;
  });
  return { lr, ref };
}

function arrays({ lr, ref, originX, originY }: Arrays): reference.FineMatchInputs {
  return { lr: lr!, ref: ref!, originX: originX!, originY: originY! };
}

function tensors({ lr, ref, originX, originY }: Readonly<Record<string, Tensor>>) {
  return { lr: lr!, ref: ref!, originX: originX!, originY: originY! };
}
