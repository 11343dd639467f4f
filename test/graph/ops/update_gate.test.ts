import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { ADAM_HYPER_LENGTH, adam, adamHyper } from "../../../src/graph/ops/adam.js";
import { ema } from "../../../src/graph/ops/ema.js";
import { gradientNorm } from "../../../src/graph/ops/gradient_norm.js";
import { type UpdateGateOptions, updateGate } from "../../../src/graph/ops/update_gate.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import { GraphError, type Tensor, type Variable } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/update_gate.js";
import { testDevice } from "../../device.js";
import { checkOperation, Random } from "./check.js";
import { allocate, bits } from "./variables.js";

/** Rows (Σ g², flag) as `gradientNorm` writes them. */
function summary(random: Random, rows: number, scale: number, flagged: boolean): NdArray {
  const bad = flagged ? random.int(0, rows - 1) : -1;
  return map(random.array([rows, 2], scale), (value, i) =>
    i % 2 === 0 ? Math.abs(value) : Number((i - 1) / 2 === bad),
  );
}

async function gateOf(rows: readonly number[], options: UpdateGateOptions, before?: readonly number[]) {
  const specs = { summary: [rows.length / 2, 2], before: [3] };
  const plan = await compile(await testDevice(), specs, (t) => ({
    gate: updateGate(t.summary, options, before && t.before),
  }));
  const data = { summary: Float32Array.from(rows), before: Float32Array.from(before ?? [0, 0, 0]) };
  const { gate } = dataOf(await plan.run(data));
  const again = dataOf(await plan.run(data));
  plan.dispose();
  expect(bits(again.gate), "a rerun").to.deep.equal(bits(gate));
  return [...gate];
}

describe("update_gate", () => {
  checkOperation<UpdateGateOptions>("update_gate", {
    cases: 60,
    sample: (random, i) => {
      const rows = [1, 2, 63, 64, 65, 127, 4099][i] ?? random.int(1, 300);
      const maxNorm = random.pick([undefined, 1e-3, 1, 50]);
      const inputs: Record<string, NdArray> = {
        summary: summary(random, rows, random.pick([1, 1e-6, 1e8]), i % 4 === 3),
      };
      if (i % 3 === 2) inputs.before = ndarray([3], [random.int(0, 1), 1, 1]);
      return { inputs, attributes: { rows: random.int(1, rows), maxNorm } };
    },
    graph: ({ summary, before }, options) => ({ gate: updateGate(summary as Tensor, options, before) }),
    reference: ({ summary, before }, options) => ({ gate: reference.updateGate(summary as NdArray, options, before) }),
    // All terms are positive, and what is made of the norm is relative to it.
    terms: ({ summary }) => summary?.shape[0] as number,
  });

  it("clips as PyTorch: 1 up to the norm, maxNorm / (norm + 1e-6) above it", async () => {
    const rows = [9, 0, 16, 0, 1e6, 0];
    expect(await gateOf(rows, { rows: 2, maxNorm: 10 })).to.deep.equal([1, 1, 5]);
    const [open, scale, norm] = await gateOf(rows, { rows: 2, maxNorm: 2 });
    expect([open, norm]).to.deep.equal([1, 5]);
    expect(scale).to.be.closeTo(2 / (5 + 1e-6), 3e-7);
    const [, tiny] = await gateOf([1e-14, 0], { rows: 1, maxNorm: 1e-7 });
    expect(tiny, "the 1e-6 counts").to.be.closeTo(1e-7 / (1e-7 + 1e-6), 1e-6);
    expect(await gateOf(rows, { rows: 2 }), "no clipping").to.deep.equal([1, 1, 5]);
  });

  it("closes at a flag in any row, also in those that are not in the norm", async () => {
    const ROWS = 130;
    for (const bad of [0, 1, 63, 64, 128, 129]) {
      const rows = Array.from({ length: 2 * ROWS }, (_, i) => (i % 2 === 0 ? 4 : Number(i === 2 * bad + 1)));
      expect(await gateOf(rows, { rows: 64, maxNorm: 1 }), `row ${bad}`).to.deep.equal([0, 0, 16]);
    }
  });

  it("closes where the sum of squares is NaN and flagged", async () => {
    const [open, scale, norm] = await gateOf([NaN, 1, 1, 0], { rows: 2, maxNorm: 1 });
    expect([open, scale]).to.deep.equal([0, 0]);
    expect(norm).to.be.NaN;
  });

  it("stays open at squares that overflow, and clips to 0", async () => {
    expect(await gateOf([3e38, 0, 3e38, 0], { rows: 2, maxNorm: 1 })).to.deep.equal([1, 0, Infinity]);
    expect(await gateOf([Infinity, 0], { rows: 1, maxNorm: 1 })).to.deep.equal([1, 0, Infinity]);
    expect(await gateOf([Infinity, 0], { rows: 1 })).to.deep.equal([1, 1, Infinity]);
  });

  it("is closed while the gate before is", async () => {
    expect(await gateOf([4, 0], { rows: 1 }, [0, 0, NaN])).to.deep.equal([0, 0, 2]);
    expect(await gateOf([4, 0], { rows: 1 }, [1, 0.5, 7])).to.deep.equal([1, 1, 2]);
    expect(await gateOf([4, 1], { rows: 1 }, [1, 0.5, 7])).to.deep.equal([0, 0, 2]);
  });

  it("guards a step: a bad one leaves every bit, the next good one moves", async () => {
    const shape = [37, 31];
    const random = new Random("guarded step");
    const { parameters, variables } = await allocate([
      ...Array.from({ length: 4 }, (_, i) => map(random.array(shape), i === 2 ? Math.abs : (value) => value)),
      ndarray([2, 2]),
    ]);
    const [parameter, expAvg, expAvgSq, average, rows] = variables as [
      Variable,
      Variable,
      Variable,
      Variable,
      Variable,
    ];
    const specs = { g: shape, loss: [1], hyper: [ADAM_HYPER_LENGTH] };
    const plan = await compile(await testDevice(), specs, ({ g, loss, hyper }) => {
      gradientNorm([g, loss], rows);
      const gate = updateGate(rows, { rows: 1, maxNorm: 1 });
      adam([parameter], [g], { expAvg: [expAvg], expAvgSq: [expAvgSq] }, hyper, gate);
      ema([average], [parameter], 0.9, gate);
      return { gate };
    });
    const state = async () => {
      const values = await Promise.all([parameter, expAvg, expAvgSq, average].map((v) => parameters.read(v)));
      return values.map(bits);
    };
    const run = (g: Float32Array, loss: number) =>
      plan.run({ g, loss: Float32Array.of(loss), hyper: adamHyper({ lr: 0.1, betas: [0.9, 0.999], step: 1 }) });
    const good = () => Float32Array.from(random.array(shape).data);
    const start = await state();
    for (const bad of [NaN, Infinity, -Infinity]) {
      const g = good();
      g[1000] = bad;
      expect((await run(g, 1)).gate.data[0], `gradient ${bad}`).to.equal(0);
      expect((await run(good(), bad)).gate.data[0], `loss ${bad}`).to.equal(0);
    }
    expect(await state()).to.deep.equal(start);
    expect((await run(good(), 1)).gate.data[0]).to.equal(1);
    const moved = await state();
    for (const [i, before] of start.entries()) expect(moved[i]).not.to.deep.equal(before);
    plan.dispose();
    parameters.dispose();
  });

  it("refuses rows that are not there, a clip that is no norm, and what is no gate", () => {
    const build = (options: UpdateGateOptions, shape = [4, 2], before?: number[]) =>
      trace(() => updateGate(input("rows", shape), options, before && input("other", before))).result.shape;
    expect(() => build({ rows: 5 })).to.throw(ShapeError, "rows is 5; rows has 4 rows");
    expect(() => build({ rows: 0 })).to.throw(ShapeError, "rows is 0");
    expect(() => build({ rows: 1.5 })).to.throw(ShapeError, "rows is 1.5");
    expect(() => build({ rows: 1 }, [4, 3])).to.throw(ShapeError, "rows has shape [4,3], not [rows, 2]");
    expect(() => build({ rows: 1 }, [4, 2], [2])).to.throw(ShapeError, "other has shape [2]; a gate is [3]");
    for (const maxNorm of [0, -1, NaN, Infinity])
      expect(() => build({ rows: 1, maxNorm })).to.throw(GraphError, `maxNorm is ${maxNorm}`);
    expect(build({ rows: 4, maxNorm: 1 }, [4, 2], [3])).to.deep.equal([3]);
  });
});
