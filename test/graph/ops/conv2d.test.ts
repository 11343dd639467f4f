import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { type Conv2dOptions, conv2d } from "../../../src/graph/ops/conv2d.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/conv2d.js";
import { type Arrays, checkOperation, type Random } from "./check.js";

type Options = Omit<Conv2dOptions, "concat" | "residual">;
type Sides = [number, number, number, number];

/** Windows that occur in MASA and its losses, then some that do not: kh, kw, stride, padding, dilation. */
const WINDOWS = [
  [3, 3, 1, 1, 1],
  [3, 3, 2, 1, 1],
  [1, 1, 1, 0, 1],
  [4, 4, 2, 1, 1],
  [3, 3, 1, 2, 2],
  [3, 3, 1, 0, 1],
  [2, 3, 1, 1, 1],
  [5, 1, 3, 2, 1],
  [1, 1, 2, 0, 1],
  [3, 3, 2, 2, 2],
] as const;

interface Sizes {
  readonly N: number;
  readonly C: number;
  readonly C2: number;
  readonly O: number;
  readonly H: number;
  readonly W: number;
}

function randomSizes(random: Random): Sizes {
  return {
    N: random.int(1, 2),
    C: random.pick([1, 2, 3, 5, 17]),
    C2: random.pick([1, 4, 7]),
    O: random.pick([1, 3, 4, 16, 19]),
    H: random.int(5, 12),
    W: random.pick([5, 6, 7, 11, 16, 21]),
  };
}

function windowOptions([
  ,
  ,
  stride,
  padding,
  dilation,
]: (typeof WINDOWS)[number]): Required<reference.ConvolutionAttributes> {
  return { stride, padding, dilation };
}

/** x and weight with sides of `sizes`, and the operands named in `more`. */
function draw(
  random: Random,
  { N, C, C2, O, H, W }: Sizes,
  window: (typeof WINDOWS)[number],
  more: readonly string[],
): Arrays {
  const [kh, kw] = window;
  const attributes = windowOptions(window);
  const inner = C + (more.includes("concat") ? C2 : 0);
  const shapes: Record<string, number[]> = {
    x: [N, C, H, W],
    weight: [O, inner, kh, kw],
    bias: [O],
    residual: [N, O, reference.outputSide(H, kh, attributes), reference.outputSide(W, kw, attributes)],
    concat: [N, C2, H, W],
  };
  const names = ["x", "weight", ...more];
  return Object.fromEntries(names.map((name) => [name, random.array(shapes[name] as number[])]));
}

function build({ x, weight, bias, residual, concat }: Readonly<Record<string, Tensor>>, options: Options) {
  const more = { ...(residual && { residual }), ...(concat && { concat }) };
  return { y: conv2d(x as Tensor, weight as Tensor, bias, { ...options, ...more }) };
}

/** The output before the activation. */
function linear(inputs: Arrays, options: Options): NdArray {
  const y = reference.conv2d(concatenated(inputs), inputs.weight as NdArray, inputs.bias, attributesOf(options));
  return inputs.residual ? map(y, (value, i) => value + (inputs.residual?.data[i] as number)) : y;
}

function forward(inputs: Arrays, options: Options): Arrays {
  return { y: map(linear(inputs, options), (v) => (v > 0 ? v : slopeOf(options) * v)) };
}

function gradient(inputs: Arrays, { y: upstream }: Arrays, options: Options): Arrays {
  const before = linear(inputs, options);
  const slope = slopeOf(options);
  const dy = map(upstream as NdArray, (value, i) => ((before.data[i] as number) > 0 ? value : slope * value));
  const {
    dx: both,
    dweight,
    dbias,
  } = reference.conv2dGradient(concatenated(inputs), inputs.weight as NdArray, dy, attributesOf(options));
  const dx = channels(both, 0, inputs.x?.shape[1] as number);
  const dconcat = inputs.concat && channels(both, inputs.x?.shape[1] as number, both.shape[1] as number);
  return {
    x: dx,
    weight: dweight,
    ...(inputs.bias && { bias: dbias }),
    ...(inputs.residual && { residual: dy }),
    ...(dconcat && { concat: dconcat }),
  };
}

/** Of the longest sum: over C·kh·kw in y, O·kh·kw in dx, N·P·Q in dweight and dbias; and a few for bias and residual. */
function terms(inputs: Arrays, options: Options): number {
  const [, O, P, Q] = linear(inputs, options).shape as Sides;
  const [N] = (inputs.x as NdArray).shape as Sides;
  const [, C, kh, kw] = (inputs.weight as NdArray).shape as Sides;
  return Math.max(N * P * Q, C * kh * kw, O * kh * kw) + 3;
}

function attributesOf({ stride = 1, padding = 0, dilation = 1 }: Options): reference.ConvolutionAttributes {
  return { stride, padding, dilation };
}

function slopeOf({ activation }: Options): number {
  if (!activation) return 1;
  return activation === "relu" ? 0 : activation.leakyRelu;
}

function concatenated({ x, concat }: Arrays): NdArray {
  const [N, C, H, W] = (x as NdArray).shape as Sides;
  if (!concat) return x as NdArray;
  const C2 = concat.shape[1] as number;
  const both = ndarray([N, C + C2, H, W]);
  for (let n = 0; n < N; n++) {
    both.data.set((x as NdArray).data.subarray(n * C * H * W, (n + 1) * C * H * W), n * (C + C2) * H * W);
    both.data.set(concat.data.subarray(n * C2 * H * W, (n + 1) * C2 * H * W), (n * (C + C2) + C) * H * W);
  }
  return both;
}

/** Channels `first` to `end` of `x`. */
function channels(x: NdArray, first: number, end: number): NdArray {
  const [N, C, H, W] = x.shape as Sides;
  const part = (n: number) => [...x.data.subarray((n * C + first) * H * W, (n * C + end) * H * W)];
  return ndarray([N, end - first, H, W], Array.from({ length: N }, (_, n) => part(n)).flat());
}

/**
 * Draws until no pre-activation is so near 0 that rounding (about 1e-5) or the central difference's step (1e-6 times
 * Σ|weight|) could move it across: there the activation's gradient jumps.
 */
function awayFromKinks(drawInputs: () => Arrays, options: Options): Arrays {
  for (let attempt = 0; attempt < 100; attempt++) {
    const inputs = drawInputs();
    if (slopeOf(options) === 1 || linear(inputs, options).data.every((value) => Math.abs(value) > 1e-4)) return inputs;
  }
  throw new Error("no inputs away from the kink were found");
}

const S3 = WINDOWS[0];
/** Channel counts and kernels of MASA, the discriminator and VGG, on small images. */
const NETWORK: readonly [Sizes, (typeof WINDOWS)[number], readonly string[]][] = [
  [{ N: 1, C: 64, C2: 0, O: 64, H: 8, W: 10 }, S3, ["bias", "residual"]],
  [{ N: 1, C: 3, C2: 0, O: 64, H: 7, W: 9 }, S3, ["bias"]],
  [{ N: 1, C: 64, C2: 0, O: 3, H: 9, W: 8 }, S3, ["bias"]],
  [{ N: 1, C: 64, C2: 64, O: 64, H: 5, W: 6 }, S3, ["bias", "concat"]],
  [{ N: 1, C: 64, C2: 0, O: 64, H: 9, W: 11 }, WINDOWS[1], ["bias"]],
  [{ N: 2, C: 16, C2: 0, O: 33, H: 10, W: 8 }, WINDOWS[3], []],
  [{ N: 1, C: 512, C2: 0, O: 5, H: 4, W: 5 }, S3, ["bias"]],
  [{ N: 1, C: 5, C2: 0, O: 512, H: 4, W: 5 }, S3, ["bias"]],
];

describe("conv2d", () => {
  checkOperation<Options>("conv2d", {
    cases: 30,
    halfCases: 2,
    sample: (random, i) => {
      const window = WINDOWS[i % WINDOWS.length] as (typeof WINDOWS)[number];
      return { inputs: draw(random, randomSizes(random), window, []), attributes: windowOptions(window) };
    },
    graph: build,
    reference: forward,
    gradient,
    linear: ["x", "weight"],
    terms,
  });

  checkOperation<Options>("conv2d fused", {
    cases: 36,
    halfCases: 4,
    sample: (random, i) => {
      const window = WINDOWS[i % WINDOWS.length] as (typeof WINDOWS)[number];
      const activation = [undefined, "relu", { leakyRelu: 0.2 }][i % 3] as Conv2dOptions["activation"];
      // Without a bias whole columns of padding give 0, the kink itself.
      const more = ["bias", ...(activation ? [] : ["residual"]), ...(random.next() < 0.6 ? ["concat"] : [])];
      const attributes = { ...windowOptions(window), ...(activation && { activation }) };
      return { inputs: awayFromKinks(() => draw(random, randomSizes(random), window, more), attributes), attributes };
    },
    graph: build,
    reference: forward,
    gradient,
    terms,
  });

  checkOperation<Options>("conv2d of the network", {
    cases: NETWORK.length,
    halfCases: 4,
    sample: (random, i) => {
      const [sizes, window, more] = NETWORK[i] as (typeof NETWORK)[number];
      return { inputs: draw(random, sizes, window, more), attributes: windowOptions(window) };
    },
    graph: build,
    reference: forward,
    gradient,
    terms,
  });

  describe("refuses", () => {
    const cases: Record<
      string,
      [number[], number[], number[] | undefined, Options & { concat?: number[]; residual?: number[] }]
    > = {
      "a weight for other channels": [[1, 3, 5, 5], [4, 2, 3, 3], undefined, {}],
      "three sides": [[3, 5, 5], [4, 3, 3, 3], undefined, {}],
      "a bias of another length": [[1, 3, 5, 5], [4, 3, 3, 3], [3], {}],
      "an input smaller than the kernel": [[1, 3, 2, 5], [4, 3, 3, 3], [4], {}],
      "stride 0": [[1, 3, 5, 5], [4, 3, 3, 3], [4], { stride: 0 }],
      "padding −1": [[1, 3, 5, 5], [4, 3, 3, 3], [4], { padding: -1 }],
      "half a dilation": [[1, 3, 5, 5], [4, 3, 3, 3], [4], { dilation: 0.5 }],
      "a concat of another size": [[1, 3, 5, 5], [4, 5, 3, 3], [4], { concat: [1, 2, 5, 4] }],
      "a residual of another size": [[1, 3, 5, 5], [4, 3, 3, 3], [4], { residual: [1, 4, 5, 5] }],
      "activation with residual": [[1, 3, 5, 5], [4, 3, 3, 3], [4], { residual: [1, 4, 3, 3], activation: "relu" }],
      "a negative slope": [[1, 3, 5, 5], [4, 3, 3, 3], [4], { activation: { leakyRelu: -1 } }],
    };
    const attempt = (x: number[], weight: number[], bias: number[] | undefined, options: (typeof cases)[string][3]) => {
      const { residual, concat, ...rest } = options;
      return trace(() =>
        conv2d(input("x", x), input("weight", weight), bias && input("bias", bias), {
          ...rest,
          ...(residual && { residual: input("residual", residual) }),
          ...(concat && { concat: input("concat", concat) }),
        }),
      );
    };
    it("nothing that fits", () => {
      expect(
        attempt([1, 3, 5, 5], [4, 5, 3, 3], [4], { concat: [1, 2, 5, 5], residual: [1, 4, 3, 3] }).result.shape,
      ).to.deep.equal([1, 4, 3, 3]);
      expect(attempt([1, 3, 5, 5], [4, 3, 3, 3], [4], { activation: { leakyRelu: 0.1 } }).result.shape).to.deep.equal([
        1, 4, 3, 3,
      ]);
    });
    for (const [what, args] of Object.entries(cases))
      it(what, () => expect(() => attempt(...args)).to.throw(ShapeError, /conv2d/));
  });
});
