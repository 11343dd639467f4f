import { expect } from "chai";
import { ArgumentError } from "../../src/errors.js";
import { bicubicResize } from "../../src/graph/ops/bicubic.js";
import { conv2d } from "../../src/graph/ops/conv2d.js";
import { add, scale } from "../../src/graph/ops/pointwise.js";
import { dataOf, type PlanProgress } from "../../src/graph/plan/plan.js";
import { PlanCache } from "../../src/graph/plan/plan_cache.js";
import { constant } from "../../src/graph/trace/graph.js";
import {
  checkEnsemble,
  type Ensemble,
  EnsembleRunner,
  ORIENTATIONS,
  oriented,
  type Pictures,
  type Planes,
} from "../../src/masa/ensemble.js";
import type { MasaInputs } from "../../src/masa/masa.js";
import { testDevice } from "../device.js";
import { uniform } from "../files/golden.js";
import { rejection } from "../rejection.js";

function planes(width: number, height: number, seed: number): Planes {
  return { width, height, data: Float32Array.from({ length: 3 * width * height }, (_, i) => uniform(seed, i)) };
}

const PICTURES: Pictures = { lr: planes(6, 4, 1), ref: planes(8, 12, 2), refDown: planes(2, 3, 3) };
const WEIGHTS = Float32Array.from({ length: 81 }, (_, i) => uniform(4, i));

/** Like a network: LR four times as large, and something of it that depends on directions. */
const build = ({ lr, refDown }: MasaInputs) => {
  const large = bicubicResize(lr, [4 * (lr.shape[2] as number), 4 * (lr.shape[3] as number)]);
  const detail = conv2d(large, constant("weight", [3, 3, 3, 3], WEIGHTS), undefined, { padding: 1 });
  return { sr: add(large, detail), seen: scale(refDown, 2) };
};

describe("orientations", () => {
  it("are all eight, the image itself first, and those of one shape together", () => {
    // abc
    // def
    const letters: Planes = {
      width: 3,
      height: 2,
      data: Float32Array.from("abcdef".repeat(3), (c) => c.charCodeAt(0)),
    };
    const texts = ORIENTATIONS.map((one) => {
      const { width, data } = oriented(letters, one);
      const text = String.fromCharCode(...data.subarray(0, 6));
      expect(data.subarray(6, 12)).to.deep.equal(data.subarray(0, 6));
      return Array.from({ length: 6 / width }, (_, y) => text.slice(y * width, (y + 1) * width)).join(" ");
    });
    expect(texts).to.deep.equal([
      ...["abc def", "cba fed", "def abc", "fed cba"],
      ...["ad be cf", "da eb fc", "cf be ad", "fc eb da"],
    ]);
  });

  it("there are 1, 4 or 8 of", () => {
    for (const ensemble of [1, 4, 8]) checkEnsemble(ensemble);
    for (const ensemble of [0, 2, 9, Number.NaN])
      expect(() => checkEnsemble(ensemble)).to.throw(ArgumentError, `an ensemble cannot have ${ensemble} orientations`);
  });
});

describe("an ensemble", () => {
  /** Runs in batches of all shapes that fit, or in none. */
  async function run(ensemble: Ensemble, batchBytes: number, watch: Parameters<EnsembleRunner<"seen">["run"]>[2] = {}) {
    const shapes: string[] = [];
    const cache = new PlanCache(
      await testDevice(),
      (inputs: MasaInputs) => {
        shapes.push(inputs.lr.shape.join("×"));
        return build(inputs);
      },
      2 ** 20,
    );
    try {
      return { ...(await new EnsembleRunner(cache, batchBytes).run(PICTURES, ensemble, watch)), shapes };
    } finally {
      cache.dispose();
    }
  }

  it("is the mean of the runs of all orientations, each turned back", async () => {
    const cache = new PlanCache(await testDevice(), build, 2 ** 20);
    for (const ensemble of [1, 4, 8] as const) {
      const { sr, seen } = await run(ensemble, 0);
      expect([...seen]).to.deep.equal([...PICTURES.refDown.data].map((value) => 2 * value));
      const sums = new Float64Array(sr.length);
      for (const one of ORIENTATIONS.slice(0, ensemble)) {
        const turned = Object.fromEntries(
          Object.entries(PICTURES).map(([name, picture]) => [name, oriented(picture, one)]),
        ) as Pictures;
        const shape = ({ width, height }: Planes) => [1, 3, height, width];
        const { lr, ref, refDown } = turned;
        const plan = await cache.get({ lr: shape(lr), ref: shape(ref), refDown: shape(refDown) });
        const found = dataOf(await plan.run({ lr: lr.data, ref: ref.data, refDown: refDown.data }));
        // To turn back is to reverse first, then to transpose: for a transposed one, flips change places.
        const back = one.transposed ? { ...one, flipX: one.flipY, flipY: one.flipX } : one;
        const large = { data: found.sr as Float32Array, width: 4 * lr.width, height: 4 * lr.height };
        oriented(large, back).data.forEach((value, i) => {
          sums[i]! += value;
        });
      }
      for (const [i, sum] of sums.entries()) expect(sr[i]).to.equal(Math.fround(sum / ensemble));
    }
    cache.dispose();
  });

  it("runs four orientations at once where their plan fits, with the same result", async () => {
    const [together, apart] = [await run(8, 2 ** 20), await run(8, 0)];
    expect([...new Set(apart.shapes.filter((shape) => shape.startsWith("1×")))]).to.deep.equal(["1×3×4×6", "1×3×6×4"]);
    // Planned to learn what they take, and then compiled.
    expect(together.shapes).to.deep.equal(["4×3×4×6", "4×3×6×4", "4×3×4×6", "4×3×6×4"]);
    for (const [i, value] of together.sr.entries()) expect(value).to.be.closeTo(apart.sr[i]!, 1e-6);
    expect([...together.seen]).to.deep.equal([...apart.seen]);
    expect(apart.milliseconds).to.be.above(0);
  });

  it("turns with its images", async () => {
    const { sr } = await run(8, 2 ** 20);
    for (const one of ORIENTATIONS) {
      const cache = new PlanCache(await testDevice(), build, 2 ** 20);
      const { lr, ref, refDown } = PICTURES;
      const turned = { lr: oriented(lr, one), ref: oriented(ref, one), refDown: oriented(refDown, one) };
      const result = await new EnsembleRunner(cache, 2 ** 20).run(turned, 8);
      cache.dispose();
      const expected = oriented({ data: sr, width: 4 * lr.width, height: 4 * lr.height }, one).data;
      for (const [i, value] of result.sr.entries()) expect(value).to.be.closeTo(expected[i]!, 1e-6);
    }
  });

  it("tells the progress of all runs as one, and stops when told", async () => {
    const steps: PlanProgress[] = [];
    await run(4, 0, { onProgress: (step) => steps.push(step) });
    const shares = steps.map(({ share }) => share);
    expect(shares).to.deep.equal([...shares].sort((a, b) => a - b));
    expect([shares.at(-1), steps.at(-1)?.done]).to.deep.equal([1, steps.at(-1)?.total]);
    expect(shares.filter((share) => share < 0.5).length).to.be.above(0);
    const controller = new AbortController();
    const stopped = run(4, 0, { signal: controller.signal, onProgress: () => controller.abort(new Error("enough")) });
    expect(((await rejection(stopped)) as Error).message).to.equal("enough");
  });
});
