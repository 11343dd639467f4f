import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { type CoarseMatchOptions, coarseMatch } from "../../../src/graph/ops/coarse_match.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, noGrad, trace } from "../../../src/graph/trace/graph.js";
import { GraphError } from "../../../src/graph/trace/tensor.js";
import { map, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/coarse_match.js";
import { testDevice } from "../../device.js";
import { type Arrays, checkOperation, type Random } from "./check.js";

describe("coarse_match", () => {
  checkOperation<CoarseMatchOptions>("coarse_match", {
    cases: 60,
    sample(random, i) {
      // Where two positions are equally good to float32's eye, either index is right: draw again.
      for (;;) {
        const drawn = draw(random, i);
        const { margin } = reference.coarseMatch(drawn.inputs.lr, drawn.inputs.ref, drawn.attributes);
        if (margin.data.every((lead) => lead > 1e-5)) return drawn;
      }
    },
    graph: ({ lr, ref }, options) => coarseMatch(lr!, ref!, options),
    reference: ({ lr, ref }, attributes) => {
      const { index, score } = reference.coarseMatch(lr!, ref!, attributes);
      return { index, score };
    },
    terms: ({ lr }) => 9 * (lr!.shape[1] as number),
    // A cosine adds up at most Σ|q̂·r̂| ≤ 1, and each factor carries the roundings of its norm: 2 · dilations. The index is exact.
    magnitude: ({ lr }, { blocks, dilations }) => {
      const shape = [lr!.shape[0] as number, blocks[0] * blocks[1]];
      return { index: ndarray(shape), score: map(ndarray(shape), () => 2 * dilations.length) };
    },
  });

  async function run({ lr, ref }: Arrays, options: CoarseMatchOptions) {
    const plan = await compile(await testDevice(), { lr: lr!.shape, ref: ref!.shape }, (tensors) =>
      coarseMatch(tensors.lr, tensors.ref, options),
    );
    const found = dataOf(await plan.run({ lr: Float32Array.from(lr!.data), ref: Float32Array.from(ref!.data) }));
    plan.dispose();
    return { index: [...found.index], score: [...found.score] };
  }

  it("takes the lowest of equal positions, also across threads and tiles", async () => {
    const lr = map(ndarray([1, 1, 8, 8]), () => 1);
    const options = { blocks: [1, 1], dilations: [1, 2, 3] } as const;
    // Every position at least 3 from an edge has the score 3.
    const same = map(ndarray([1, 1, 30, 40]), () => 2);
    expect((await run({ lr, ref: same }, options)).index).to.deep.equal([3 * 40 + 3]);
  });

  it("gives score 0 and a valid index for features of zeros", async () => {
    const zeros = { lr: ndarray([1, 3, 16, 8]), ref: ndarray([1, 3, 20, 20]) };
    expect(await run(zeros, { blocks: [2, 1], dilations: [1, 2] })).to.deep.equal({ index: [0, 0], score: [0, 0] });
  });

  it("finds a copied patch, with score 1 a dilation", async () => {
    const ref = map(ndarray([1, 2, 20, 24]), (_, i) => Math.sin(i * i));
    // The block's centre (4, 4) is position (9 + 4, 7 + 4) of the reference.
    const lr = map(ndarray([1, 2, 8, 8]), (_, i) => {
      const [c, y, x] = [Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8];
      return ref.data[(c * 20 + y + 9) * 24 + x + 7] as number;
    });
    const { index, score } = await run({ lr, ref }, { blocks: [1, 1], dilations: [1, 2, 3] });
    expect(index).to.deep.equal([13 * 24 + 11]);
    expect(score[0]).to.be.closeTo(3, 1e-5);
  });

  it("has no gradient and says so, unless none is asked for", () => {
    const gradient = (wrap: <T>(build: () => T) => T) => () =>
      trace(() => {
        const lr = input("lr", [1, 2, 8, 8]);
        const { score } = wrap(() => coarseMatch(lr, input("ref", [1, 2, 8, 8]), { blocks: [1, 1], dilations: [1] }));
        return grad([score], [lr]);
      });
    expect(gradient((build) => build())).to.throw(GraphError, "coarse_match");
    expect(gradient(noGrad)).not.to.throw();
  });

  it("rejects wrong operands by name, beside right ones", () => {
    const build =
      (lr: number[], ref: number[], options: Partial<CoarseMatchOptions> = {}) =>
      () =>
        trace(() => coarseMatch(input("lr", lr), input("ref", ref), { blocks: [2, 2], dilations: [1], ...options }));
    expect(build([1, 3, 16, 16], [1, 3, 9, 9])).not.to.throw();
    expect(build([3, 16, 16], [1, 3, 9, 9])).to.throw(ShapeError, "lr");
    expect(build([1, 3, 16, 16], [1, 4, 9, 9])).to.throw(ShapeError, "ref");
    expect(build([1, 3, 16, 17], [1, 3, 9, 9])).to.throw(ShapeError, "blocks");
    expect(build([1, 3, 16, 16], [1, 3, 9, 9], { dilations: [] })).to.throw(ShapeError, "dilations");
    expect(build([1, 3, 16, 16], [1, 3, 9, 9], { dilations: [0] })).to.throw(ShapeError, "dilations");
  });
});

/** LR with blocks of 1 to 11 pixels, a reference of one to some 900 pixels: up to four tiles. */
function draw(random: Random, i: number) {
  const [N, C] = [random.int(1, 2), i < 6 ? 16 : random.int(1, 5)];
  const blocks = [random.int(1, 3), random.int(1, 3)] as const;
  const dilations = random.pick([[1, 2, 3], [1, 2, 3], [1], [2, 5]]);
  const side = () => random.pick([1, 2, 5, 8, 13, 17, 30]);
  const lr = random.array([N, C, blocks[0] * random.int(1, 11), blocks[1] * random.int(1, 11)]);
  return { inputs: { lr, ref: random.array([N, C, side(), side()]) }, attributes: { blocks, dilations } };
}
