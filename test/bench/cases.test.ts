import { expect } from "chai";
import type { Case } from "../../bench/case.js";
import { allCases, chooseCases } from "../../bench/cases/index.js";
import { measure } from "../../bench/harness.js";
import { shadersOf } from "../../bench/kernel.js";
import { benchPlatform } from "../../bench/platform.js";
import { leastTime } from "../../bench/roofline.js";
import { slopeError } from "../../bench/slope.js";
import { matmul } from "../../src/graph/ops/matmul.js";
import type { Data } from "../../src/graph/plan/plan.js";
import { generator } from "../../src/graph/trace/parameters.js";
import { nodePlatform } from "../../src/platform/node.js";
import { testDevice } from "../device.js";

/** Counted by hand: a multiply-add is two FLOP. */
const FLOPS: Readonly<Record<string, number>> = {
  "conv2d forward 64-64 [1,64,160,160]": 2 * 160 * 160 * 64 * 576,
  "conv2d dx 64-64 [9,64,40,40]": 2 * 9 * 40 * 40 * 64 * 576,
  "conv2d dweight 128-64 [1,64,80,80]": 2 * 80 * 80 * 64 * 1152,
  "conv2d forward 64-64 stride 2 [1,64,160,160]": 2 * 80 * 80 * 64 * 576,
  "conv2d forward 64-3 [1,64,160,160]": 2 * 160 * 160 * 3 * 576,
  // Each of 80² inputs meets 3×3 taps.
  "conv_transpose2d forward 64-64 stride 2 [1,64,80,80]": 2 * 80 * 80 * 64 * 576,
  "coarse_match dilations 1 [1,64,128,128]": 2 * 256 * 16384 * 576,
  // 25 blocks, three dilations; 64 queries of a block with 13² positions each.
  "coarse_match dilations 1,2,3 [1,64,40,40]": 2 * 25 * 1600 * 576 * 3,
  "fine_match [1,64,40,40]": 2 * 1600 * 169 * 576,
  "bicubic forward ×4 [1,64,40,40]": 2 * 16 * 64 * 160 * 160,
  "matmul [1,1024,1024]": 2 * 1024 ** 3,
  // 16 convolutions forward, their weight gradients, and all input gradients but the first.
  "training step 8 residual blocks [9,64,40,40]": 47 * 2 * 9 * 1600 * 64 * 576,
};

describe("bench cases", () => {
  const cases = allCases();

  it("have names of their own, and positive work", () => {
    expect(new Set(cases.map(({ name }) => name)).size).to.equal(cases.length);
    for (const { name, flops, bytes } of cases) {
      expect(Number.isSafeInteger(flops) && flops > 0, `FLOP of ${name}: ${flops}`).to.equal(true);
      expect(Number.isSafeInteger(bytes) && bytes > 0, `bytes of ${name}: ${bytes}`).to.equal(true);
    }
  });

  for (const [name, flops] of Object.entries(FLOPS))
    it(`count the arithmetic of ${name}`, () => {
      expect(cases.find((subject) => subject.name === name)?.flops).to.equal(flops);
    });

  it("count the bytes that a convolution must move", () => {
    const bytes = cases.find(({ name }) => name === "conv2d forward 64-64 [1,64,160,160]")?.bytes;
    expect(bytes).to.equal(4 * (2 * 64 * 160 * 160 + 64 * 64 * 9));
  });

  it("count the network as masa/flops.ts does: 66.8 GFLOP for a pair of the official training", () => {
    const flops = cases.find(({ name }) => name.startsWith("network forward official LR [1,3,40,40]"))?.flops ?? 0;
    expect(flops).to.be.within(66e9, 68e9);
  });

  it("are left out where they are large and nobody asks", () => {
    expect(chooseCases(undefined).every(({ large }) => !large)).to.equal(true);
    expect(chooseCases("conv2d").some(({ large }) => large)).to.equal(true);
  });

  it("take other shapes where they take an image", () => {
    const changed = allCases([[1, 8, 16, 24]]);
    expect(changed.map(({ name }) => name)).to.include.members(["conv2d dx 8-8 [1,8,16,24]", "sam [1,8,16,24]"]);
    expect(changed.some(({ name }) => /matmul|adam|network/.test(name))).to.equal(false);
  });

  it("make plans, all of them", async () => {
    const device = await testDevice();
    for (const subject of cases.filter(({ name }) => !/official|small/.test(name)))
      expect(shadersOf(device, subject), subject.name).not.to.have.length(0);
  });

  it("measure what a dispatch costs the CPU, where there are many", async () => {
    const [encode] = await measure(await testDevice(), chooseCases("encode 1200"), { rounds: 2 });
    expect(encode?.failure).to.equal(undefined);
    expect(encode?.shaders).to.deep.equal({ pointwise: 1200 });
    expect(encode?.encode).to.have.length(2);
    for (const ms of encode?.encode ?? []) expect(ms, "between 0.1 and 100 µs each").to.be.within(0.12, 120);
  });

  it("are right on small shapes", async () => {
    const small = allCases([[1, 8, 16, 16]]);
    const results = await measure(await testDevice(), small, { rounds: 0 });
    for (const { name, failure, error } of results) expect(failure, `${name}: error ${error}`).to.equal(undefined);
  });
});

function fillUniform(length: number, seed: number): Float32Array {
  const uniform = generator(1, seed);
  return Float32Array.from({ length }, () => 2 * uniform() - 1);
}

const product = (name: string, error: number): Case => ({
  name,
  flops: 1,
  bytes: 1,
  inputs: { a: [1, 4, 4] },
  build: ({ a }) => ({ y: matmul(a!, a!) }),
  check: () => error,
});

describe("bench harness", () => {
  it("takes no time of what is wrong, and goes on with the rest", async () => {
    const device = await testDevice();
    const before = device.memory().bytes;
    const broken = {
      ...product("broken", 0),
      build: () => {
        throw new Error("cannot be built");
      },
    };
    const steps: string[] = [];
    const results = await measure(device, [product("wrong", 1.5), broken, product("right", 0.5)], {
      rounds: 2,
      onStep: (step) => steps.push(step),
    });
    const [wrong, unbuilt, right] = results;
    expect(wrong?.failure).to.match(/wrong results: the largest error is 1.5 times its bound/);
    expect(wrong?.wall).to.deep.equal([]);
    expect(unbuilt?.failure).to.equal("cannot be built");
    expect(right).to.include({ error: 0.5 }).and.not.have.property("failure");
    expect(right?.wall).to.have.length(2);
    expect(right?.cpu).to.have.length(2);
    expect(right?.encode, "one dispatch takes no time").to.equal(undefined);
    expect(right?.gpu?.length).to.equal(device.features.has("timestamp-query") ? 2 : undefined);
    expect(right?.shaders).to.deep.equal({ matmul: 1 });
    expect(steps).to.include("round 2/2 right");
    expect(device.memory().bytes, "everything is given back").to.equal(before);
  });

  it("takes an error that is no number for wrong", async () => {
    const [result] = await measure(await testDevice(), [product("NaN", Number.NaN)], { rounds: 1 });
    expect(result?.failure).to.match(/wrong results/);
  });

  it("stops when it is told to", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    const stopped = measure(await testDevice(), [product("never", 0)], { rounds: 1, signal });
    expect(await stopped.catch((error: Error) => error.message)).to.equal("enough");
  });
});

describe("bench check of a slope", () => {
  const inputs = { x: [1, 4, 4], w: [1, 4, 4] };
  const data = Object.fromEntries(["x", "w", "dy"].map((name, k) => [name, fillUniform(16, k)]));
  // y = x·w: dx = dy·wᵀ and dw = xᵀ·dy.
  const product4 = (a: Data, b: Data) =>
    Float32Array.from({ length: 16 }, (_, i) =>
      [0, 1, 2, 3].reduce((sum, k) => sum + a[(i & 12) + k]! * b[4 * k + (i & 3)]!, 0),
    );
  const transposed = (a: Data) => Float32Array.from(a, (_, i) => a[4 * (i & 3) + (i >> 2)]!);
  const error = async (factor: number) =>
    slopeError(await testDevice(), {
      ...{ inputs, data, dy: data.dy!, f: ({ x, w }) => matmul(x!, w!) },
      gradients: {
        x: product4(data.dy!, transposed(data.w!)).map((value) => factor * value),
        w: product4(transposed(data.x!), data.dy!),
      },
    });

  it("takes the gradients of a product for right, and others for wrong", async () => {
    expect(await error(1)).to.be.below(0.1);
    expect(await error(1.1)).to.be.above(1);
    expect(await error(Number.NaN)).to.equal(Number.POSITIVE_INFINITY);
  });
});

describe("bench platform", () => {
  it("has the bench's own shaders, the package's, and those given instead", () => {
    const { shader } = benchPlatform(new Map([["fill", "// mine"]]));
    expect(shader("bench/roofline_copy")).to.contain("vec4f");
    expect(shader("fill")).to.equal("// mine");
    expect(shader("adam")).to.equal(nodePlatform.shader("adam"));
  });
});

describe("bench roofline", () => {
  it("bounds a case by arithmetic or by memory", () => {
    const roofs = { flopsPerSecond: 1e9, bytesPerSecond: 1e8 };
    expect(leastTime({ flops: 2e9, bytes: 1e8 }, roofs)).to.deep.equal({ ms: 2000, bound: "arithmetic" });
    expect(leastTime({ flops: 1e9, bytes: 3e8 }, roofs)).to.deep.equal({ ms: 3000, bound: "memory" });
  });
});
