import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { type ConvTranspose2dOptions, convTranspose2d } from "../../../src/graph/ops/conv_transpose2d.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/conv_transpose2d.js";
import { type Arrays, checkOperation, type Random } from "./check.js";

type Sides = [number, number, number, number];

/** kh, kw, stride, padding, outputPadding: MASA's first, then others. */
const WINDOWS = [
  [3, 3, 2, 1, 1],
  [3, 3, 1, 1, 0],
  [4, 4, 2, 1, 0],
  [2, 2, 2, 0, 0],
  [3, 2, 3, 0, 2],
  [1, 1, 2, 0, 1],
  [5, 3, 2, 2, 1],
] as const;
type Window = (typeof WINDOWS)[number];

function draw(random: Random, [kh, kw]: Window, bias: boolean, sizes = randomSizes(random)): Arrays {
  const [N, Cin, Cout, H, W] = sizes as [number, number, number, number, number];
  return {
    x: random.array([N, Cin, H, W]),
    weight: random.array([Cin, Cout, kh, kw]),
    ...(bias && { bias: random.array([Cout]) }),
  };
}

function randomSizes(random: Random): readonly number[] {
  const channels = [1, 2, 3, 5, 16, 19];
  return [random.int(1, 2), random.pick(channels), random.pick(channels), random.int(3, 9), random.pick([3, 4, 7, 11])];
}

function options([, , stride, padding, outputPadding]: Window): reference.TransposedAttributes {
  return { stride, padding, outputPadding };
}

function slopeOf({ activation }: ConvTranspose2dOptions): number {
  if (!activation) return 1;
  return activation === "relu" ? 0 : activation.leakyRelu;
}

function linear({ x, weight, bias }: Arrays, attributes: ConvTranspose2dOptions): NdArray {
  return reference.convTranspose2d(x as NdArray, weight as NdArray, bias, attributes as reference.TransposedAttributes);
}

const common = {
  graph: (
    { x, weight, bias }: Readonly<Record<string, Tensor>>,
    attributes: ConvTranspose2dOptions,
  ): Record<string, Tensor> => ({ y: convTranspose2d(x as Tensor, weight as Tensor, bias, attributes) }),
  halfCases: 2,
  reference: (inputs: Arrays, attributes: ConvTranspose2dOptions): Arrays => ({
    y: map(linear(inputs, attributes), (v) => (v > 0 ? v : slopeOf(attributes) * v)),
  }),
  gradient(inputs: Arrays, { y: upstream }: Arrays, attributes: ConvTranspose2dOptions): Arrays {
    const before = linear(inputs, attributes);
    const slope = slopeOf(attributes);
    const dy = map(upstream as NdArray, (value, i) => ((before.data[i] as number) > 0 ? value : slope * value));
    const { dx, dweight, dbias } = reference.convTranspose2dGradient(
      inputs.x as NdArray,
      inputs.weight as NdArray,
      dy,
      attributes as reference.TransposedAttributes,
    );
    return { x: dx, weight: dweight, ...(inputs.bias && { bias: dbias }) };
  },
  /** Of the longest sum: at most Cin·kh·kw in y, Cout·kh·kw in dx, N·H·W in dweight, N·H'·W' in dbias. */
  terms(inputs: Arrays, attributes: ConvTranspose2dOptions): number {
    const [N, Cin, H, W] = (inputs.x as NdArray).shape as Sides;
    const [, Cout, kh, kw] = (inputs.weight as NdArray).shape as Sides;
    const [, , OH, OW] = linear(inputs, attributes).shape as Sides;
    return Math.max(N * H * W, N * OH * OW, Cin * kh * kw, Cout * kh * kw) + 2;
  },
};

/** As in conv2d's test: no pre-activation that rounding could move across 0. Without a bias a gap gives 0 itself. */
function awayFromKinks(drawInputs: () => Arrays, attributes: ConvTranspose2dOptions): Arrays {
  for (let attempt = 0; attempt < 100; attempt++) {
    const inputs = drawInputs();
    if (linear(inputs, attributes).data.every((value) => Math.abs(value) > 1e-4)) return inputs;
  }
  throw new Error("no inputs away from the kink were found");
}

describe("conv_transpose2d", () => {
  checkOperation<ConvTranspose2dOptions>("conv_transpose2d", {
    ...common,
    cases: 30,
    sample: (random, i) => {
      const window = WINDOWS[i % WINDOWS.length] as Window;
      return { inputs: draw(random, window, false), attributes: options(window) };
    },
    linear: ["x", "weight"],
  });

  checkOperation<ConvTranspose2dOptions>("conv_transpose2d with bias and activation", {
    ...common,
    cases: 24,
    sample: (random, i) => {
      const window = WINDOWS[i % WINDOWS.length] as Window;
      const activation = i % 2 ? ("relu" as const) : { leakyRelu: 0.2 };
      const attributes = { ...options(window), activation };
      return { inputs: awayFromKinks(() => draw(random, window, true), attributes), attributes };
    },
  });

  checkOperation<ConvTranspose2dOptions>("conv_transpose2d of the network", {
    ...common,
    cases: 2,
    sample: (random, i) => {
      const sizes = [
        [1, 64, 64, 5, 6],
        [2, 33, 65, 3, 4],
      ][i];
      return { inputs: draw(random, WINDOWS[0], true, sizes), attributes: options(WINDOWS[0]) };
    },
  });

  describe("refuses", () => {
    const cases: Record<string, [number[], number[], number[] | undefined, ConvTranspose2dOptions]> = {
      "a weight for other channels": [[1, 3, 5, 5], [4, 3, 3, 3], undefined, {}],
      "three sides": [[3, 5, 5], [3, 4, 3, 3], undefined, {}],
      "a bias of another length": [[1, 3, 5, 5], [3, 4, 3, 3], [3], {}],
      "output padding as large as the stride": [[1, 3, 5, 5], [3, 4, 3, 3], [4], { stride: 2, outputPadding: 2 }],
      "stride 0": [[1, 3, 5, 5], [3, 4, 3, 3], [4], { stride: 0 }],
      "padding that leaves nothing": [[1, 3, 1, 1], [3, 4, 2, 2], [4], { padding: 1 }],
      "a negative slope": [[1, 3, 5, 5], [3, 4, 3, 3], [4], { activation: { leakyRelu: -1 } }],
    };
    const attempt = (x: number[], weight: number[], bias: number[] | undefined, attributes: ConvTranspose2dOptions) =>
      trace(() => convTranspose2d(input("x", x), input("weight", weight), bias && input("bias", bias), attributes))
        .result.shape;
    it("nothing that fits", () =>
      expect(attempt([1, 3, 5, 5], [3, 4, 3, 3], [4], { stride: 2, padding: 1, outputPadding: 1 })).to.deep.equal([
        1, 4, 10, 10,
      ]));
    for (const [what, args] of Object.entries(cases))
      it(what, () => {
        expect(() => attempt(...args)).to.throw(ShapeError, /conv_transpose2d/);
      });
  });
});
