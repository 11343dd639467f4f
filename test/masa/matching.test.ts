import { expect } from "chai";
import { before } from "mocha";
import { ShapeError } from "../../src/gpu/errors.js";
import { compile, type Data, dataOf, type InputSpec } from "../../src/graph/plan/plan.js";
import { grad } from "../../src/graph/trace/grad.js";
import { input, trace } from "../../src/graph/trace/graph.js";
import type { Tensor } from "../../src/graph/trace/tensor.js";
import { denseGeometry, type MatchGeometry, type MatchSizes, matchGeometry } from "../../src/masa/geometry.js";
import { extract, type Implementation, type MatchOptions, match } from "../../src/masa/matching.js";
import { extractBlocks } from "../../src/masa/matching_unfused.js";
import { type NdArray, ndarray } from "../../src/reference/array.js";
import { coarseMatch } from "../../src/reference/coarse_match.js";
import { fineMatch } from "../../src/reference/fine_match.js";
import { transfer } from "../../src/reference/transfer.js";
import { windowOrigin } from "../../src/reference/window_origin.js";
import { testDevice } from "../device.js";
import { Random } from "../graph/ops/check.js";

interface Case extends MatchSizes {
  readonly name: string;
  readonly N: number;
  readonly C: number;
}

const CASES: readonly Case[] = [
  { name: "a square pair", N: 1, C: 8, lr: [32, 32], refDown: [32, 32] },
  { name: "a batch of two", N: 2, C: 6, lr: [16, 16], refDown: [16, 16] },
  { name: "other sides for LR and reference", N: 1, C: 8, lr: [24, 32], refDown: [40, 28] },
  { name: "blocks of 9", N: 1, C: 8, lr: [36, 36], refDown: [36, 36] },
  { name: "a window larger than the reference", N: 1, C: 8, lr: [16, 16], refDown: [8, 8] },
  { name: "blocks too large for a workgroup", N: 1, C: 8, lr: [40, 60], refDown: [16, 20], blockSize: 20 },
  { name: "odd sides of the reference and blocks of 10×8", N: 2, C: 5, lr: [20, 24], refDown: [21, 31] },
];
/** Taken whole, in tiles of 5×8, and whole again. */
const DENSE: readonly Case[] = [
  { name: "a square pair", N: 1, C: 8, lr: [16, 16], refDown: [16, 16] },
  { name: "a batch of two with other sides", N: 2, C: 5, lr: [20, 16], refDown: [9, 21] },
  { name: "the least reference", N: 1, C: 4, lr: [4, 12], refDown: [4, 3] },
];
const SCALES = [1, 2, 4] as const;
const IMPLEMENTATIONS = ["fused", "unfused"] as const;

type Results = Readonly<Record<string, ArrayLike<number>>>;

describe("matching", () => {
  for (const sizes of CASES) {
    describe(sizes.name, () => {
      let data: Features;
      let truth: ReturnType<typeof inFloat64>;
      const found = {} as Record<Implementation, Results>;
      const geometry = matchGeometry(sizes);
      before(() => {
        ({ data, truth } = drawDecided(sizes, geometry));
      });

      for (const implementation of IMPLEMENTATIONS) {
        it(`${implementation}, finds what float64 finds`, async () => {
          found[implementation] = await onGpu({ implementation }, sizes, geometry, data);
          const { coarse, fine, origins, extracted } = truth;
          expectIndices(found[implementation].coarseIndex, coarse.index);
          expectIndices(found[implementation].originX, origins.originX);
          expectIndices(found[implementation].originY, origins.originY);
          expectIndices(found[implementation].fineIndex, fine.index);
          // Bound: 4·√(9·C)·2⁻²⁴ of a cosine's Σ|terms| ≤ 1, doubled for the norms: see test/graph/ops/fine_match.test.ts.
          const unit = 8 * Math.sqrt(9 * sizes.C) * 2 ** -24;
          expectClose(found[implementation].coarseScore, coarse.score.data, 3 * unit);
          expectClose(found[implementation].fineScore, fine.score.data, unit);
          // A mean of nine features below 1, times the attention: its error, and as much for the mean.
          for (const scale of SCALES) expectClose(found[implementation][`x${scale}`], extracted[scale].data, 2 * unit);
        });
      }

      it("has the same gradients in both implementations", () => expectSameGradients(found.fused, found.unfused));
    });
  }

  describe("of every patch with every other", () => {
    for (const sizes of DENSE) {
      it(`finds what float64 finds for ${sizes.name}, with the gradients of the unfused implementation`, async () => {
        const geometry = denseGeometry(sizes.lr, sizes.refDown);
        const { data, truth } = drawDecided(sizes, geometry);
        const dense = await onGpu({ matching: "dense" }, sizes, geometry, data);
        expectIndices(dense.fineIndex, truth.fine.index);
        expectIndices(dense.coarseIndex, truth.origins.originX);
        const unit = 8 * Math.sqrt(9 * sizes.C) * 2 ** -24;
        expectClose(dense.fineScore, truth.fine.score.data, unit);
        for (const scale of SCALES) expectClose(dense[`x${scale}`], truth.extracted[scale].data, 2 * unit);
        const unfused = await onGpu({ matching: "dense", implementation: "unfused" }, sizes, geometry, data);
        expectIndices(unfused.fineIndex, truth.fine.index);
        expectSameGradients(dense, unfused);
      });
    }

    it("takes matches from outside", async () => {
      const sizes = DENSE[1]!;
      const geometry = denseGeometry(sizes.lr, sizes.refDown);
      const { data, truth } = drawDecided(sizes, geometry);
      const free = await onGpu({ matching: "dense" }, sizes, geometry, data);
      const fineIndex = Int32Array.from(truth.fine.index.data);
      const given = await onGpu({ matching: "dense" }, sizes, geometry, data, {
        coarseIndex: new Int32Array(sizes.N),
        fineIndex,
      });
      expectClose(given.fineScore, free.fineScore!, 1e-6);
      expectClose(given.x2, free.x2!, 1e-6);
    });

    it("refuses sides that the network cannot halve twice", () => {
      expect(() => denseGeometry([16, 18], [16, 16])).to.throw(ShapeError, "a side of 18. Pad it to 20");
    });
  });

  it("takes matches from outside, in both implementations", async () => {
    const sizes = CASES[2]!;
    const data = draw(sizes, 0);
    const geometry = matchGeometry(sizes);
    const { blocks, block, window } = geometry;
    const random = new Random("given");
    const count = blocks[0] * blocks[1];
    const coarseIndex = Int32Array.from({ length: count }, () => random.int(0, 40 * 28 - 1));
    const positions = (window[0] - 2) * (window[1] - 2);
    const fineIndex = Int32Array.from({ length: count * block[0] * block[1] }, () => random.int(0, positions - 1));
    const given = { coarseIndex, fineIndex };
    const [fused, reference] = [
      await onGpu({ implementation: "fused" }, sizes, geometry, data, given),
      await onGpu({ implementation: "unfused" }, sizes, geometry, data, given),
    ];
    for (const results of [fused, reference]) {
      expect([...(results.coarseIndex as Int32Array)]).to.deep.equal([...coarseIndex]);
      expect([...(results.fineIndex as Int32Array)]).to.deep.equal([...fineIndex]);
    }
    expect([...(fused.originX as Int32Array)]).to.deep.equal([...(reference.originX as Int32Array)]);
    for (const name of ["fineScore", "x1", "x2", "x4"]) expectClose(fused[name], reference[name]!, 1e-5);
  });

  it("extracts the same on the reference path with any number of blocks at a time", async () => {
    const geometry = matchGeometry({ lr: [16, 24], refDown: [16, 20] });
    const random = new Random("parts");
    const [N, blocks, positions] = [2, 6, (geometry.window[0] - 2) * (geometry.window[1] - 2)];
    const index = (shape: number[], most: number) => ({ shape, dtype: "i32" as const, most });
    const specs = { corner: index([N, blocks], 5), index: index([N * blocks, 8, 8], positions - 1) };
    const plan = await compile(
      await testDevice(),
      { ...specs, feature: [N, 3, 32, 40], attention: [N * blocks, 8, 8] },
      ({ feature, corner, index, attention }) => {
        const matches = { originX: corner, originY: corner, index, attention };
        const blockBytes = 4 * N * 3 * 36 * positions;
        const [all, few, one] = [6, 4, 1].map((count) =>
          extractBlocks(feature, matches, geometry, 2, count * blockBytes),
        );
        return { all: all!, few: few!, one: one! };
      },
    );
    const whole = ({ shape, most }: { shape: number[]; most: number }) =>
      Int32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.int(0, most));
    const { all, few, one } = dataOf(
      await plan.run({
        ...{ corner: whole(specs.corner), index: whole(specs.index) },
        feature: Float32Array.from(random.array([N, 3, 32, 40]).data),
        attention: Float32Array.from(random.array([N * blocks, 8, 8]).data),
      }),
    );
    plan.dispose();
    expect(all.some((value) => value !== 0)).to.equal(true);
    expect([...few]).to.deep.equal([...all]);
    expect([...one]).to.deep.equal([...all]);
  });

  it("rejects features that the geometry is not for, by name", () => {
    const geometry = matchGeometry({ lr: [16, 16], refDown: [16, 16] });
    const build = (lr: number, refDown: number, feature: number) => () =>
      trace(() => {
        const maps = { lr: input("lr", [1, 2, lr, 16]), refDown: input("refDown", [1, 2, refDown, 16]) };
        return extract(input("ref", [1, 2, feature, 32]), match(maps, geometry), geometry, 2);
      });
    expect(build(16, 16, 32)).not.to.throw();
    expect(build(24, 16, 32)).to.throw(ShapeError, "lr");
    expect(build(16, 24, 32)).to.throw(ShapeError, "refDown");
    expect(build(16, 16, 31)).to.throw(ShapeError, "feature");
  });
});

type Features = Readonly<Record<"lr" | "refDown" | "x1" | "x2" | "x4", NdArray>>;

/** Features in which each best match leads by more than float32's rounding: no index may differ. */
function drawDecided(sizes: Case, geometry: MatchGeometry) {
  for (let attempt = 0; ; attempt++) {
    const data = draw(sizes, attempt);
    const truth = inFloat64(geometry, data);
    if ([truth.coarse, truth.fine].every(({ margin }) => margin.data.every((lead) => lead > 1e-5)))
      return { data, truth };
  }
}

function draw({ name, N, C, lr, refDown: [Hr, Wr] }: Case, attempt: number): Features {
  const random = new Random(`${name} ${attempt}`);
  const ref = (scale: number) => random.array([N, C, scale * Hr, scale * Wr]);
  return { lr: random.array([N, C, ...lr]), refDown: ref(1), x1: ref(1), x2: ref(2), x4: ref(4) };
}

/** Without a dilation there is no coarse match: all scores are 0, and the first position stays. */
function inFloat64(geometry: MatchGeometry, { lr, refDown, ...levels }: Features) {
  const coarse = geometry.dilations.length > 0 ? coarseMatch(lr, refDown, geometry) : nothingCoarse(lr);
  const origins = windowOrigin(coarse.index, geometry.refDown, geometry.window);
  const fine = fineMatch({ lr, ref: refDown, ...origins }, geometry);
  const at = (scale: 1 | 2 | 4) => {
    const inputs = { ref: levels[`x${scale}`], index: fine.index, score: fine.score, ...origins };
    return transfer(inputs, { ...geometry, scale });
  };
  return { coarse, origins, fine, extracted: { 1: at(1), 2: at(2), 4: at(4) } };
}

function nothingCoarse({ shape: [N] }: NdArray) {
  const zeros = ndarray([N as number, 1]);
  return { index: zeros, score: zeros, margin: ndarray([N as number, 1], new Array(N).fill(1)) };
}

/** All matches, the extracted features, and the gradients of their products with fixed random tensors. */
async function onGpu(
  options: MatchOptions,
  sizes: Case,
  geometry: MatchGeometry,
  features: Features,
  given?: Readonly<Record<"coarseIndex" | "fineIndex", Int32Array>>,
): Promise<Results> {
  const { blocks, block } = geometry;
  const count = blocks[0] * blocks[1];
  const names = Object.keys(features) as (keyof Features)[];
  const specs: Record<string, InputSpec> = Object.fromEntries(names.map((name) => [name, features[name].shape]));
  if (given) {
    specs.coarseIndex = { shape: [sizes.N, count], dtype: "i32" };
    specs.fineIndex = { shape: [sizes.N * count, ...block], dtype: "i32" };
  }
  const plan = await compile(await testDevice(), specs, (tensors) => {
    const { lr, refDown, coarseIndex, fineIndex } = tensors;
    const matches = match({ lr: lr!, refDown: refDown! }, geometry, { ...options, coarseIndex, fineIndex });
    const extracted = SCALES.map((scale) =>
      extract(tensors[`x${scale}`]!, matches, geometry, scale, options.implementation),
    );
    const upstreams = extracted.map(({ shape }, i) => input(`upstream ${i}`, shape));
    const gradients = grad(
      extracted,
      names.map((name) => tensors[name]!),
      upstreams,
    );
    const results: Record<string, Tensor> = {
      ...matches,
      ...Object.fromEntries(extracted.map((tensor, i) => [`x${SCALES[i]}`, tensor])),
      ...Object.fromEntries(gradients.map((tensor, i) => [`d${names[i]}`, tensor])),
    };
    return results;
  });
  const random = new Random("upstream");
  const upstream = SCALES.map((scale, i) => {
    const shape = [sizes.N, sizes.C, scale * sizes.lr[0], scale * sizes.lr[1]];
    return [`upstream ${i}`, Float32Array.from(random.array(shape).data)] as const;
  });
  const inputs = names.map((name) => [name, Float32Array.from(features[name].data)] as const);
  const results = dataOf(await plan.run({ ...Object.fromEntries<Data>([...inputs, ...upstream]), ...given }));
  plan.dispose();
  return results;
}

function expectSameGradients(got: Results, expected: Results): void {
  for (const name of ["dlr", "drefDown", "dx1", "dx2", "dx4"]) {
    const reference = Array.from(expected[name]!);
    const size = Math.sqrt(dot(reference, reference));
    expect(size, name).to.be.above(0);
    const difference = reference.map((value, i) => value - got[name]![i]!);
    // Some hundred terms with an error of 2⁻²⁴ of their size each, in two summation orders.
    expect(Math.sqrt(dot(difference, difference)), name).to.be.below(1e-5 * size);
  }
}

function expectIndices(got: ArrayLike<number> | undefined, expected: NdArray): void {
  expect(Array.from(got ?? [])).to.deep.equal([...expected.data]);
}

function expectClose(got: ArrayLike<number> | undefined, expected: ArrayLike<number>, bound: number): void {
  expect(got?.length).to.equal(expected.length);
  const error = Array.from(expected).reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (got?.[i] as number))),
    0,
  );
  expect(error).to.be.below(bound);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}
