import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { gradientNorm } from "../../../src/graph/ops/gradient_norm.js";
import { compile } from "../../../src/graph/plan/plan.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Variable } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/gradient_norm.js";
import { testDevice } from "../../device.js";
import { Random } from "./check.js";
import { allocate, bits, fromBits } from "./variables.js";

/** Elements that a workgroup of 64 threads adds. */
const PIECE = 1024;

type Shapes = readonly (readonly number[])[];

const SPECIAL: readonly Shapes[] = [
  [[1]],
  [[63], [64], [65]],
  [[1023], [1024], [1025]],
  [[1, 2, 3, 5, 7], [7919]],
  [[64 * PIECE], [64 * PIECE + 1], [1]],
  [[104729], [64, 64, 3, 3]],
  [[256, 5003]],
];

/** Gradients of the given shapes summed up on the GPU, as often as wanted; the summary held NaN before. */
async function summaryOf(shapes: Shapes) {
  const { parameters, variables } = await allocate([ndarray([shapes.length, 2], Array(2 * shapes.length).fill(NaN))]);
  const summary = variables[0] as Variable;
  const specs = Object.fromEntries(shapes.map((shape, i) => [`g${i}`, shape]));
  const plan = await compile(await testDevice(), specs, (gradients) => {
    gradientNorm(Object.values(gradients), summary);
    return {};
  });
  return {
    async run(gradients: readonly Float32Array[]): Promise<Float32Array> {
      await plan.run(Object.fromEntries(gradients.map((gradient, i) => [`g${i}`, gradient])));
      return parameters.read(summary);
    },
    dispose() {
      plan.dispose();
      parameters.dispose();
    },
  };
}

const floats = ({ data }: NdArray) => Float32Array.from(data);

/**
 * A sum of positive terms is off by at most the rounding errors on the longest path from a term to the sum, relative to
 * the sum itself: the square, the elements of a thread, six pairwise additions; both again for the pieces (Higham 2002,
 * section 4.2; 1 % covers the errors' products). A square below 2⁻¹²⁶ may be flushed to 0.
 */
function bound(length: number, sum: number): number {
  const pieces = Math.ceil(length / PIECE);
  const depth = 1 + PIECE / 64 + 6 + (pieces > 1 ? Math.ceil(pieces / 64) + 6 : 0);
  return 1.01 * depth * 2 ** -24 * sum + length * 2 ** -126;
}

describe("gradient_norm", () => {
  for (let i = 0; i < 50; i++) {
    const random = new Random(`gradient_norm ${i}`);
    const shapes =
      SPECIAL[i] ??
      Array.from({ length: random.int(1, 4) }, () =>
        Array.from({ length: random.int(1, 4) }, () => random.int(1, random.pick([5, 11]))),
      );
    const scale = random.pick([1, 1e-3, 1e-9, 1e10]);
    it(`gradient_norm ${JSON.stringify(shapes)} of ${scale}`, async () => {
      const gradients = shapes.map((shape) => random.array(shape, scale));
      const expected = reference.gradientNorm(gradients).data;
      const gpu = await summaryOf(shapes);
      const got = await gpu.run(gradients.map(floats));
      const again = await gpu.run(gradients.map(floats));
      gpu.dispose();
      expect(bits(again), "a rerun").to.deep.equal(bits(got));
      for (const [row, { data }] of gradients.entries()) {
        const sum = expected[2 * row] as number;
        expect(Math.abs((got[2 * row] as number) - sum), `sum ${row}`).to.be.most(bound(data.length, sum));
        expect(got[2 * row + 1], `flag ${row}`).to.equal(0);
      }
    });
  }

  const shapes = [[1], [37, 31], [5003]];
  const random = new Random("not finite");
  const clean = () => shapes.map((shape) => floats(random.array(shape)));

  it("flags NaN and infinity anywhere, in the row of its gradient and in no other", async () => {
    const gpu = await summaryOf(shapes);
    const faults = {
      NaN: 0x7fc00000,
      "−NaN": 0xffc00000,
      "signalling NaN": 0x7f800001,
      "NaN of all ones": 0xffffffff,
      "+∞": 0x7f800000,
      "−∞": 0xff800000,
    };
    for (const [name, word] of Object.entries(faults))
      for (const [row, shape] of shapes.entries()) {
        const length = shape.reduce((a, b) => a * b, 1);
        for (const position of new Set([0, length >> 1, length - 1])) {
          const gradients = clean();
          gradients[row]?.set(fromBits(word), position);
          const summary = await gpu.run(gradients);
          const flags = shapes.map((_, i) => summary[2 * i + 1]);
          expect(flags, `${name} at ${position} of [${shape}]`).to.deep.equal(shapes.map((_, i) => Number(i === row)));
          for (const i of shapes.keys())
            if (i !== row)
              expect(summary[2 * i])
                .to.be.above(0)
                .and.below(5003);
        }
      }
    const flags = [...(await gpu.run(clean()))].filter((_, i) => i % 2 === 1);
    gpu.dispose();
    expect(flags, "after the faults").to.deep.equal([0, 0, 0]);
  });

  it("takes no finite value for a fault, however large or small", async () => {
    const gpu = await summaryOf(shapes);
    for (const word of [0x7f7fffff, 0xff7fffff, 0x7149f2ca, 1, 0x80000001, 0x007fffff, 0x80000000, 0]) {
      const gradients = shapes.map((shape) =>
        new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(fromBits(word)[0] as number),
      );
      const summary = await gpu.run(gradients);
      const large = Math.abs(gradients[0]?.[0] as number) > 1;
      for (const i of shapes.keys()) {
        expect(summary[2 * i + 1], `flag of 0x${word.toString(16)}`).to.equal(0);
        // 1e30 squared is beyond float32, a denormal squared below it.
        if (large) expect(summary[2 * i]).to.be.at.least(3.4e38);
        else expect(summary[2 * i]).to.equal(0);
      }
    }
    gpu.dispose();
  });

  it("agrees with the reference on what is finite", () => {
    const x = ndarray([3], [1, 2, 3]);
    const flags = [1, Infinity, -Infinity, NaN, 1e200].map(
      (value) => reference.gradientNorm([map(x, (old, i) => (i === 1 ? value : old))]).data[1],
    );
    expect(flags).to.deep.equal([0, 1, 1, 1, 0]);
  });

  it("refuses a summary that has no row for each gradient, and indices", async () => {
    const { parameters, variables } = await allocate([ndarray([2, 2])]);
    const build = (count: number, dtype: "f32" | "i32" = "f32") =>
      trace(() =>
        gradientNorm(
          Array.from({ length: count }, (_, i) => input(`g${i}`, [3], dtype)),
          variables[0] as Variable,
        ),
      ).graph.nodes.length;
    expect(() => build(3)).to.throw(ShapeError, "variable 0 has shape [2,2], not [3, 2]: a row for each gradient");
    expect(() => build(1)).to.throw(ShapeError, "not [1, 2]");
    expect(() => build(2, "i32")).to.throw(ShapeError, "g0 is i32, not f32");
    expect(build(2)).to.equal(2);
    parameters.dispose();
  });
});
