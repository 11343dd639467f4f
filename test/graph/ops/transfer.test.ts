import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { type TransferOptions, transfer } from "../../../src/graph/ops/transfer.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/transfer.js";
import { type Arrays, checkOperation, type Random } from "./check.js";

describe("transfer", () => {
  checkOperation<TransferOptions>("transfer", {
    cases: 60,
    sample: (random, i) => draw(random, i < 6 ? 17 : random.int(1, 5)),
    integers: ["index", "originX", "originY"],
    graph: ({ feature, index, score, originX, originY }, options) => ({
      y: transfer({ feature: feature!, index: index!, score: score!, originX: originX!, originY: originY! }, options),
    }),
    reference: (inputs, attributes) => ({ y: reference.transfer(named(inputs), attributes) }),
    gradient: (inputs, { y }, attributes) => {
      const { dref, dscore } = reference.transferGradient(named(inputs), y!, attributes);
      return { feature: dref, score: dscore };
    },
    linear: ["feature", "score"],
    // Score: nine patches of each channel in up to (2·scale + 1)² pixels. Feature: every query may have chosen it.
    // The bilinear weight and the division add some ten roundings to each term, which √terms ≥ 18 outweighs.
    terms: ({ feature, index }, { scale }) =>
      Math.max(9 * (feature!.shape[1] as number) * (2 * scale + 1) ** 2, 9 * index!.data.length),
    magnitude: (inputs, attributes) => ({ y: reference.transfer(absolute(inputs), attributes) }),
    gradientMagnitude: (inputs, { y }, attributes) => {
      const { dref, dscore } = reference.transferGradient(absolute(inputs), map(y!, Math.abs), attributes);
      return { feature: dref, score: dscore };
    },
  });

  it("rejects wrong operands by name, beside right ones", () => {
    const build =
      (sides: { feature?: number[]; index?: number[]; score?: number[]; origin?: number[]; window?: number }) => () =>
        trace(() =>
          transfer(
            {
              feature: input("feature", sides.feature ?? [1, 3, 16, 16]),
              index: input("index", sides.index ?? [4, 8, 8], "i32"),
              score: input("score", sides.score ?? [4, 8, 8]),
              originX: input("originX", sides.origin ?? [1, 4], "i32"),
              originY: input("originY", [1, 4], "i32"),
            },
            { blocks: [2, 2], window: [9, sides.window ?? 9], scale: 2 },
          ),
        );
    expect(build({})).not.to.throw();
    expect(build({ feature: [1, 3, 16, 15] })).to.throw(ShapeError, "feature");
    expect(build({ index: [3, 8, 8] })).to.throw(ShapeError, "index");
    expect(build({ score: [4, 8, 9] })).to.throw(ShapeError, "score");
    expect(build({ origin: [1, 5] })).to.throw(ShapeError, "originX");
    expect(build({ window: 17 })).to.throw(ShapeError, "window");
  });
});

function draw(random: Random, channels: number) {
  const N = random.int(1, 2);
  const blocks = [random.int(1, 3), random.int(1, 3)] as const;
  const scale = random.pick([1, 2, 4]);
  const [ky, kx] = [random.int(1, 9), random.int(1, 9)];
  const [Hr, Wr] = [random.int(2, 9), random.int(2, 9)];
  // At least the 3×3 of one patch; larger than the reference, it wraps.
  const window = [
    random.int(3, Math.max(3, Math.floor(1.5 * Hr))),
    random.int(3, Math.max(3, Math.floor(1.5 * Wr))),
  ] as const;
  const count = blocks[0] * blocks[1];
  const integers = (shape: number[], low: number, high: number) => map(ndarray(shape), () => random.int(low, high));
  const inputs = {
    feature: random.array([N, channels, scale * Hr, scale * Wr]),
    index: integers([N * count, ky, kx], 0, (window[0] - 2) * (window[1] - 2) - 1),
    score: random.array([N * count, ky, kx]),
    originX: integers([N, count], Math.min(0, Wr - window[1]), Wr - window[1]),
    originY: integers([N, count], Math.min(0, Hr - window[0]), Hr - window[0]),
  };
  return { inputs, attributes: { blocks, window, scale } };
}

function named({ feature, index, score, originX, originY }: Arrays): reference.TransferInputs {
  return { ref: feature!, index: index!, score: score!, originX: originX!, originY: originY! };
}

function absolute(inputs: Arrays): reference.TransferInputs {
  const abs = (x: NdArray) => map(x, Math.abs);
  const { ref, score, ...rest } = named(inputs);
  return { ...rest, ref: abs(ref), score: abs(score) };
}
