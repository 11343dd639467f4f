/** A small graph for each row of the table of ONNX operations, and the networks as a whole. */
import { batchNorm } from "../../src/graph/ops/batch_norm.js";
import { bicubicResize } from "../../src/graph/ops/bicubic.js";
import { bilinearResize } from "../../src/graph/ops/bilinear.js";
import { concat } from "../../src/graph/ops/concat.js";
import { convTranspose2d } from "../../src/graph/ops/conv_transpose2d.js";
import { conv2d } from "../../src/graph/ops/conv2d.js";
import { cropWindows } from "../../src/graph/ops/crop_windows.js";
import { fold } from "../../src/graph/ops/fold.js";
import { gather } from "../../src/graph/ops/gather.js";
import { instanceNorm } from "../../src/graph/ops/instance_norm.js";
import { linear } from "../../src/graph/ops/linear.js";
import { matmul } from "../../src/graph/ops/matmul.js";
import { maxPool2d } from "../../src/graph/ops/max_pool2d.js";
import { meanStd } from "../../src/graph/ops/mean_std.js";
import { normalize } from "../../src/graph/ops/normalize.js";
import { permute } from "../../src/graph/ops/permute.js";
import {
  abs,
  add,
  div,
  fill,
  leakyRelu,
  mul,
  neg,
  relu,
  scale,
  shift,
  sign,
  softplus,
  square,
  sub,
} from "../../src/graph/ops/pointwise.js";
import { expand, sum } from "../../src/graph/ops/reduce.js";
import { replicatePad } from "../../src/graph/ops/replicate_pad.js";
import { slice } from "../../src/graph/ops/slice.js";
import { top1 } from "../../src/graph/ops/top1.js";
import { unfold } from "../../src/graph/ops/unfold.js";
import { windowOrigin } from "../../src/graph/ops/window_origin.js";
import { cast, constant, input, trace } from "../../src/graph/trace/graph.js";
import { normal, ones, Parameters } from "../../src/graph/trace/parameters.js";
import type { Tensor } from "../../src/graph/trace/tensor.js";
import { detach, reshape } from "../../src/graph/trace/view.js";
import type { Shape } from "../../src/kernels/kernel.js";
import type { MasaConfig } from "../../src/masa/config.js";
import { Masa } from "../../src/masa/masa.js";
import { type OnnxExport, onnxBytes } from "../../src/onnx/export.js";
import { Random } from "../graph/ops/check.js";

export type Tensors = Readonly<Record<string, Tensor>>;

export interface OnnxCase {
  readonly inputs: Readonly<Record<string, Shape>>;
  /** Inputs that are indices, with the largest that `inputData` draws. */
  readonly largest?: Readonly<Record<string, number>>;
  /** What the graph takes besides. */
  readonly parameters?: Parameters;
  build(inputs: Tensors): Tensors;
}

const WINDOWS = { kernel: [3, 2], stride: [2, 1], padding: 1, dilation: 2 } as const;
const norm = new Parameters();
const [weight, bias, mean] = ["weight", "bias", "mean"].map((name) => norm.declare(name, [3], normal(1)));
const variance = norm.declare("variance", [3], ones, false);

/** By the names of rows, where need be with what is special. */
export const CASES: Readonly<Record<string, OnnxCase>> = {
  conv2d: of({ x: [2, 3, 7, 6], weight: [4, 3, 3, 3], bias: [4] }, ({ x, weight, bias }) =>
    conv2d(x, weight, bias, { stride: 2, padding: 2, dilation: 2 }),
  ),
  "conv2d of two inputs with LeakyReLU": of(
    { x: [1, 2, 5, 5], concat: [1, 1, 5, 5], weight: [4, 3, 3, 3] },
    ({ x, concat, weight }) => conv2d(x, weight, undefined, { concat, activation: { leakyRelu: 0.2 } }),
  ),
  "conv2d with residual": of(
    { x: [1, 2, 5, 5], residual: [1, 4, 5, 5], weight: [4, 2, 3, 3], bias: [4] },
    ({ x, residual, weight, bias }) => conv2d(x, weight, bias, { padding: 1, residual }),
  ),
  "conv2d with ReLU": of({ x: [1, 2, 5, 5], weight: [4, 2, 1, 1] }, ({ x, weight }) =>
    conv2d(x, weight, undefined, { activation: "relu" }),
  ),
  conv_transpose2d: of({ x: [2, 3, 4, 5], weight: [3, 2, 3, 3], bias: [2] }, ({ x, weight, bias }) =>
    convTranspose2d(x, weight, bias, { stride: 2, padding: 1, outputPadding: 1, activation: "relu" }),
  ),
  linear: of({ x: [2, 5], weight: [3, 5], bias: [3] }, ({ x, weight, bias }) => linear(x, weight, bias)),
  matmul: of({ a: [2, 3, 4], b: [2, 4, 5] }, ({ a, b }) => matmul(a, b)),
  "matmul of transposed": of({ a: [2, 4, 3], b: [2, 5, 4] }, ({ a, b }) =>
    matmul(a, b, { transposeA: true, transposeB: true }),
  ),
  max_pool2d: of({ x: [2, 3, 5, 4] }, ({ x }) => maxPool2d(x)),
  instance_norm: of({ x: [2, 3, 5, 4] }, ({ x }) => instanceNorm(x)),
  batch_norm: {
    inputs: { x: [2, 3, 5, 4] },
    parameters: norm,
    build: ({ x }) => ({ y: batchNorm(x!, weight!, bias!, mean!, variance, { training: false }) }),
  },
  mean_std: { inputs: { x: [2, 3, 5, 4] }, build: ({ x }) => ({ ...meanStd(x!) }) },
  normalize: of({ x: [2, 5, 3] }, ({ x }) => normalize(x, 1)),
  "normalize of zeros": of({ x: [2, 5] }, ({ x }) => normalize(scale(x, 0), 1)),
  sum: of({ x: [2, 3, 4] }, ({ x }) => sum(x, [0, 2], 0.25)),
  "sum over no side": of({ x: [2, 3] }, ({ x }) => sum(x, [])),
  top1: { inputs: { x: [2, 3, 9] }, build: ({ x }) => ({ ...top1(x!) }) },
  "top1 of equals": {
    inputs: { x: [2, 1] },
    build: ({ x }) => ({ ...top1(expand(x!, [2, 5])) }),
  },
  reshape: of({ x: [2, 3, 4] }, ({ x }) => reshape(x, [6, 4])),
  cast: of({ x: [2, 3] }, ({ x }) => cast(sign(x), "f16")),
  detach: of({ x: [2, 3] }, ({ x }) => detach(x)),
  permute: of({ x: [2, 3, 4, 5] }, ({ x }) => permute(x, [2, 0, 3, 1])),
  concat: of({ a: [2, 3], b: [2, 1], c: [2, 2] }, ({ a, b, c }) => concat([a, b, c], 1)),
  slice: of({ x: [2, 7, 3] }, ({ x }) => slice(x, 1, 2, 6)),
  expand: of({ x: [2, 1, 3] }, ({ x }) => expand(x, [2, 4, 3], 0.5)),
  fill: of({ x: [2, 3] }, ({ x }) => add(x, fill([2, 3], 0.75))),
  replicate_pad: of({ x: [1, 2, 3, 4] }, ({ x }) => replicatePad(x, [1, 2, 3, 0])),
  bilinear: of({ x: [1, 2, 3, 5] }, ({ x }) => bilinearResize(x, [6, 10])),
  "bilinear to other sizes": of({ x: [1, 2, 5, 7] }, ({ x }) => bilinearResize(x, [8, 4])),
  bicubic: of({ x: [1, 2, 5, 3] }, ({ x }) => bicubicResize(x, [20, 12])),
  "bicubic to other sizes": of({ x: [1, 2, 5, 7] }, ({ x }) => bicubicResize(x, [8, 4])),
  unfold: of({ x: [2, 3, 9, 7] }, ({ x }) => unfold(x, WINDOWS)),
  "unfold without padding": of({ x: [2, 3, 5, 4] }, ({ x }) => unfold(x, { kernel: 3 })),
  fold: of({ x: [2, 3 * 6, 4 * 7] }, ({ x }) => fold(x, [9, 7], WINDOWS)),
  gather: {
    inputs: { x: [2, 3, 6], index: [2, 5] },
    largest: { index: 5 },
    build: ({ x, index }) => ({ y: gather(x!, index!) }),
  },
  crop_windows: {
    inputs: { x: [2, 3, 8, 10], index: [2, 4] },
    largest: { index: 19 },
    build({ x, index }) {
      // Windows higher than the map wrap around.
      const { originX, originY } = windowOrigin(index!, { refDown: [4, 5], window: [5, 3] });
      return { y: cropWindows(x!, originX, originY, { height: 5, width: 3, scale: 2 }) };
    },
  },
  window_origin: {
    inputs: { index: [2, 8] },
    largest: { index: 62 },
    build: ({ index }) => ({ ...windowOrigin(index!, { refDown: [7, 9], window: [5, 3] }) }),
  },
  ...mapped({ add, sub, mul }, (f) => of({ a: [2, 3, 4], b: [3, 1] }, ({ a, b }) => f(a, b))),
  div: of({ a: [2, 3], b: [3] }, ({ a, b }) => div(a, shift(abs(b), 0.5))),
  ...mapped({ relu, neg, abs, sign, square, softplus }, (f) => of({ x: [3, 5] }, ({ x }) => f(x))),
  leaky_relu: of({ x: [3, 5] }, ({ x }) => leakyRelu(x, 0.2)),
  scale: of({ x: [3, 5] }, ({ x }) => scale(x, 1.5)),
  shift: of({ x: [3, 5] }, ({ x }) => shift(x, 1.5)),
  ...Object.fromEntries(
    (
      [
        ["sam", "dual"],
        ["spade", "ref"],
        ["adain", "lr"],
        ["none", "concat"],
      ] as const
    ).map(([adaptation, aggregation]) => [`masa, ${adaptation}, ${aggregation}`, network({ adaptation, aggregation })]),
  ),
  "constants of both types": {
    inputs: { x: [1, 2, 3] },
    build: ({ x }) => ({
      y: mul(gather(x!, constant("index", [1, 2], Int32Array.of(2, 0))), constant("factor", [1], [3])),
    }),
  },
};

function mapped<F>(functions: Readonly<Record<string, F>>, make: (f: F) => OnnxCase): Record<string, OnnxCase> {
  return Object.fromEntries(Object.entries(functions).map(([name, f]) => [name, make(f)]));
}

/** A small network of the paper's own steps, with its matches. */
function network(config: Partial<MasaConfig>): OnnxCase {
  const masa = new Masa({ channels: 4, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1], ...config });
  return {
    inputs: { lr: [2, 3, 16, 20], ref: [2, 3, 48, 64], refDown: [2, 3, 12, 16] },
    parameters: masa.parameters,
    build({ lr, ref, refDown }) {
      const { sr, matches } = masa.forward({ lr: lr!, ref: ref!, refDown: refDown! }, { implementation: "unfused" });
      const { coarseIndex, fineIndex, fineScore } = matches;
      return { sr, coarseIndex, fineIndex, fineScore };
    },
  };
}

/** A case with one output. */
function of<Name extends string>(
  inputs: Readonly<Record<Name, Shape>>,
  build: (inputs: Readonly<Record<Name, Tensor>>) => Tensor,
): OnnxCase {
  return { inputs, build: (tensors) => ({ y: build(tensors as Record<Name, Tensor>) }) };
}

/** What a run is given: numbers in [−1, 1), or indices. */
export function inputData({ inputs, largest = {} }: OnnxCase, seed: string): Record<string, Float32Array | Int32Array> {
  const random = new Random(seed);
  const draw = ([name, shape]: [string, Shape]) => {
    const values = random.array(shape).data;
    const last = largest[name];
    return [name, last === undefined ? Float32Array.from(values) : Int32Array.from(values, () => random.int(0, last))];
  };
  return Object.fromEntries(Object.entries(inputs).map(draw));
}

/** The case as an ONNX model; parameters are 0 where no values are given. */
export function modelOf({ inputs, largest = {}, parameters, build }: OnnxCase, values?: OnnxExport["values"]) {
  const { graph, result } = trace(() => {
    const tensors = Object.entries(inputs).map(([name, shape]) => [name, input(name, shape, dtypeOf(name, largest))]);
    return build(Object.fromEntries(tensors));
  });
  const zeros = new Map(parameters?.all.map(({ name, size }) => [name, new Float32Array(size)]));
  return { graph, outputs: result, bytes: onnxBytes({ graph, outputs: result, values: values ?? zeros }) };
}

export function dtypeOf(name: string, largest: NonNullable<OnnxCase["largest"]>) {
  return name in largest ? "i32" : "f32";
}
