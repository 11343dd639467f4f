/**
 * What each operation of the graph is in ONNX: a row of one table, from the values it takes to the values it gives. An
 * operation without a row is refused by its name. Indices, 32 bits wide in the graph, have the 64 bits that ONNX wants.
 *
 * The operators are those of opset 18 (https://onnx.ai/onnx/operators/). The fused matching operations have no row: their
 * steps have, and the network's path `reference` is made of these.
 */
import type { CropWindowsOptions } from "../graph/ops/crop_windows.js";
import type { WindowOriginOptions } from "../graph/ops/window_origin.js";
import type { BatchNormAttributes } from "../kernels/batch_norm.js";
import type { Window } from "../kernels/convolution/problem.js";
import { nchw, type Shape } from "../kernels/kernel.js";
import type { NormalizeAttributes } from "../kernels/normalize.js";
import type { PointwiseName } from "../kernels/pointwise.js";
import type { Padding } from "../kernels/replicate_pad.js";
import type { Transposed } from "../kernels/shared/product.js";
import type { Windows } from "../kernels/shared/windows.js";
import type { OnnxModel } from "./model.js";

/** Names of the values that an operation takes: `Values<"x" | "weight", "bias">` has a bias or not. */
type Values<Required extends string, Optional extends string = never> = {
  readonly [name in Required]: string;
} & { readonly [name in Optional]?: string | undefined };

/** One recorded operation, its inputs and outputs by their names. */
export interface Call<A = unknown, In = Values<"x">> {
  readonly model: OnnxModel;
  readonly inputs: In;
  readonly attributes: A;
  /** Shapes of what goes in and what comes out. */
  readonly from: Readonly<Record<keyof In, Shape>>;
  readonly to: Readonly<Record<"y", Shape>>;
}

/** Names of the values that come out; those that only a gradient reads may be missing. */
export type Results = Readonly<Record<string, string>>;

/** Translates an operation that is known only by name. */
export type Row = (
  call: Pick<Call, "model" | "attributes"> & Readonly<Record<"inputs" | "from" | "to", object>>,
) => Results;

/** A row for the attributes and inputs that the operation of this name records; a string is the name of `y`. */
function row<A, In = Values<"x">>(translate: (call: Call<A, In>) => string | Results): Row {
  return (call) => {
    const results = translate(call as Call<A, In>);
    return typeof results === "string" ? { y: results } : results;
  };
}

interface Convolution {
  readonly window: Window;
  readonly slope: number;
}

const CONVOLUTIONS = {
  conv2d: row<Convolution, Values<"x" | "weight", "bias" | "residual" | "concat">>(({ model, inputs, attributes }) => {
    const { x, weight, bias, residual, concat } = inputs;
    const { window, slope } = attributes;
    const image = concat === undefined ? x : model.node("Concat", [x, concat], { axis: 1 });
    const y = model.node("Conv", [image, weight, bias], windowOf(window));
    return activated(model, residual === undefined ? y : model.node("Add", [y, residual]), slope);
  }),
  conv_transpose2d: row<Convolution & { readonly outputPadding: number }, Values<"x" | "weight", "bias">>(
    ({ model, inputs: { x, weight, bias }, attributes: { window, slope, outputPadding } }) => {
      const options = { ...windowOf(window), output_padding: [outputPadding, outputPadding] };
      return activated(model, model.node("ConvTranspose", [x, weight, bias], options), slope);
    },
  ),
  linear: row<null, Values<"x" | "weight", "bias">>(({ model, inputs: { x, weight, bias } }) =>
    model.node("Gemm", [x, weight, bias], { transB: 1 }),
  ),
  matmul: row<Transposed, Values<"a" | "b">>(({ model, inputs: { a, b }, attributes: { transposeA, transposeB } }) => {
    const turned = (x: string) => model.node("Transpose", [x], { perm: [0, 2, 1] });
    return model.node("MatMul", [transposeA ? turned(a) : a, transposeB ? turned(b) : b]);
  }),
  max_pool2d: row(({ model, inputs: { x } }) => model.node("MaxPool", [x], { kernel_shape: [2, 2], strides: [2, 2] })),
};

function windowOf({ stride, padding, dilation }: Window) {
  return { strides: [stride, stride], pads: Array<number>(4).fill(padding), dilations: [dilation, dilation] };
}

function activated(model: OnnxModel, x: string, slope: number): string {
  if (slope === 1) return x;
  return slope === 0 ? model.node("Relu", [x]) : model.node("LeakyRelu", [x], { alpha: { fraction: slope } });
}

const STATISTICS = {
  instance_norm: row<{ readonly eps: number }>(({ model, inputs: { x }, attributes: { eps }, from }) => {
    const [, C] = nchw({ shape: from.x });
    const [one, zero] = [1, 0].map((value) => model.constant([C], new Float32Array(C).fill(value)));
    return model.node("InstanceNormalization", [x, one, zero], { epsilon: { fraction: eps } });
  }),
  batch_norm: row<BatchNormAttributes, Values<"x" | "weight" | "bias" | "runningMean" | "runningVar">>(
    ({ model, inputs: { x, weight, bias, runningMean, runningVar }, attributes: { eps } }) =>
      model.node("BatchNormalization", [x, weight, bias, runningMean, runningVar], { epsilon: { fraction: eps } }),
  ),
  mean_std: row(({ model, inputs: { x }, from }) => {
    const [, , H, W] = nchw({ shape: from.x });
    const plane = model.integers([2, 3]);
    const mean = model.node("ReduceMean", [x, plane]);
    const squares = model.node("ReduceSumSquare", [model.node("Sub", [x, mean]), plane]);
    return { mean, std: model.node("Sqrt", [model.node("Div", [squares, model.number(H * W - 1)])]) };
  }),
  normalize: row<NormalizeAttributes>(({ model, inputs: { x }, attributes: { dim, eps } }) => {
    const norm = model.node("ReduceL2", [x, model.integers([dim])]);
    return model.node("Div", [x, model.node("Max", [norm, model.number(eps)])]);
  }),
  sum: row<Factor & { readonly dims: readonly number[] }>(({ model, inputs: { x }, attributes: { dims, factor } }) =>
    scaled(model, model.node("ReduceSum", [x, model.integers(dims)], { noop_with_empty_axes: 1 }), factor),
  ),
  top1: row(({ model, inputs: { x }, from }) => {
    const axis = from.x.length - 1;
    const values = model.node("ReduceMax", [x, model.integers([axis])]);
    return { values, indices: model.node("ArgMax", [x], { axis }) };
  }),
};

interface Factor {
  readonly factor: number;
}

function scaled(model: OnnxModel, x: string, factor: number): string {
  return factor === 1 ? x : model.node("Mul", [x, model.number(factor)]);
}

const LAYOUT = {
  reshape: row(({ model, inputs: { x }, to }) => reshaped(model, x, to.y)),
  detach: row(({ inputs: { x } }) => x),
  // How a number is stored on a GPU is no matter of the model.
  cast: row(({ inputs: { x } }) => x),
  permute: row<{ readonly order: readonly number[] }>(({ model, inputs: { x }, attributes: { order } }) =>
    model.node("Transpose", [x], { perm: order }),
  ),
  concat: row<{ readonly dim: number }, { readonly xs: readonly string[] }>(
    ({ model, inputs: { xs }, attributes: { dim } }) => model.node("Concat", xs, { axis: dim }),
  ),
  slice: row<Record<"dim" | "start" | "end", number>>(({ model, inputs: { x }, attributes: { dim, start, end } }) =>
    model.node("Slice", [x, ...[start, end, dim].map((value) => model.integers([value]))]),
  ),
  expand: row<Factor>(({ model, inputs: { x }, attributes: { factor }, to }) =>
    scaled(model, model.node("Expand", [x, model.integers(to.y)]), factor),
  ),
  fill: row<{ readonly value: number }, Values<never>>(({ model, attributes: { value }, to }) =>
    model.node("Expand", [model.number(value), model.integers(to.y)]),
  ),
  replicate_pad: row<{ readonly padding: Padding }>(({ model, inputs: { x }, attributes: { padding } }) => {
    const [left, right, top, bottom] = padding;
    return model.node("Pad", [x, model.integers([0, 0, top, left, 0, 0, bottom, right])], { mode: "edge" });
  }),
};

function reshaped(model: OnnxModel, x: string, shape: Shape): string {
  return model.node("Reshape", [x, model.integers(shape)]);
}

const RESIZING = {
  bilinear: row(({ model, inputs: { x }, to }) => resized(model, x, to.y, { mode: "linear" })),
  bicubic: row(({ model, inputs: { x }, to }) =>
    resized(model, x, to.y, { mode: "cubic", cubic_coeff_a: { fraction: -0.75 } }),
  ),
};

function resized(model: OnnxModel, x: string, shape: Shape, attributes: Parameters<OnnxModel["node"]>[2]) {
  const options = { coordinate_transformation_mode: "half_pixel", ...attributes };
  return model.node("Resize", [x, undefined, undefined, model.integers(shape)], options);
}

const PATCHES = {
  /** Rows, then columns are listed tap by tap: [N, C, kh, rows, kw, columns]. */
  unfold: row<{ readonly windows: Windows }>(({ model, inputs: { x }, attributes: { windows }, to }) => {
    const { kernel, stride, padding: p, dilation, count } = windows;
    const padded = p === 0 ? x : model.node("Pad", [x, model.integers([0, 0, p, p, 0, 0, p, p])]);
    const taps = (d: 0 | 1) => {
      const positions = range(kernel[d]).flatMap((k) => range(count[d]).map((i) => k * dilation + i * stride[d]));
      return model.integers(positions, [kernel[d], count[d]]);
    };
    const rows = model.node("Gather", [padded, taps(0)], { axis: 2 });
    const columns = model.node("Gather", [rows, taps(1)], { axis: 4 });
    return reshaped(model, model.node("Transpose", [columns], { perm: [0, 1, 2, 4, 3, 5] }), to.y);
  }),
  fold: row<{ readonly windows: Windows }>(({ model, inputs: { x }, attributes: { windows }, to }) => {
    const { kernel, stride, padding, dilation } = windows;
    const sizes = [to.y.slice(2), kernel].map((pair) => model.integers(pair));
    const options = { strides: stride, pads: Array<number>(4).fill(padding), dilations: [dilation, dilation] };
    return model.node("Col2Im", [x, ...sizes], options);
  }),
  gather: row<null, Values<"x" | "index">>(({ model, inputs: { x, index } }) =>
    model.node("Transpose", [picked(model, x, index, 2)], { perm: [0, 2, 1] }),
  ),
  crop_windows: row<Required<CropWindowsOptions>, Values<"x" | "originX" | "originY">>((call) => {
    const { model, inputs, attributes, from, to } = call;
    const { x, originX, originY } = inputs;
    const [N, C, H, W] = nchw({ shape: from.x });
    const [, , height, width] = nchw({ shape: to.y });
    // ONNX's remainder has the sign of the divisor, as Python's: what is below 0 counts from the end.
    const along = (origin: string, side: number, length: number) => {
      const first = model.node("Mul", [after(model, origin, 2), model.integer(attributes.scale)]);
      return model.node("Mod", [model.node("Add", [first, model.integers(range(side))]), model.integer(length)]);
    };
    const rows = model.node("Mul", [after(model, along(originY, height, H), 3), model.integer(W)]);
    const pixels = model.node("Add", [rows, after(model, along(originX, width, W), 2)]);
    const windows = picked(model, reshaped(model, x, [N, C, H * W]), pixels, 4);
    return reshaped(model, model.node("Transpose", [windows], { perm: [0, 1, 4, 2, 3] }), to.y);
  }),
  window_origin: row<WindowOriginOptions, Values<"index">>(
    ({ model, inputs: { index }, attributes: { refDown, window } }) => {
      const width = model.integer(refDown[1]);
      const place = (position: string, axis: 0 | 1) => {
        const first = model.node("Sub", [position, model.integer(Math.floor(window[axis] / 2))]);
        const last = model.integer(refDown[axis] - window[axis]);
        return model.node("Min", [model.node("Max", [first, model.integer(0)]), last]);
      };
      const originX = place(model.node("Mod", [index, width]), 1);
      return { originX, originY: place(model.node("Div", [index, width]), 0) };
    },
  ),
};

/** x [N, C, L] at `index` [N, …] of `sides` sides: [N, …, C]. */
function picked(model: OnnxModel, x: string, index: string, sides: number): string {
  const vectors = model.node("Transpose", [x], { perm: [0, 2, 1] });
  return model.node("GatherND", [vectors, after(model, index, sides)], { batch_dims: 1 });
}

/** `x` with a further side of 1 at the place `side`. */
function after(model: OnnxModel, x: string, side: number): string {
  return model.node("Unsqueeze", [x, model.integers([side])]);
}

function range(length: number): number[] {
  return [...Array(length).keys()];
}

type Terms = Values<"a", "b">;

/** An operator that does the same. */
function same(op: string): Row {
  return row<Scalar, Terms>(({ model, inputs: { a, b } }) => model.node(op, b === undefined ? [a] : [a, b]));
}

interface Scalar {
  readonly alpha: number;
}

const POINTWISE: { readonly [name in Lowercase<PointwiseName>]?: Row } = {
  add: same("Add"),
  sub: same("Sub"),
  mul: same("Mul"),
  div: same("Div"),
  relu: same("Relu"),
  neg: same("Neg"),
  abs: same("Abs"),
  sign: same("Sign"),
  softplus: same("Softplus"),
  square: row<Scalar, Terms>(({ model, inputs: { a } }) => model.node("Mul", [a, a])),
  leaky_relu: row<Scalar, Terms>(({ model, inputs: { a }, attributes: { alpha } }) => activated(model, a, alpha)),
  scale: row<Scalar, Terms>(({ model, inputs: { a }, attributes: { alpha } }) => scaled(model, a, alpha)),
  shift: row<Scalar, Terms>(({ model, inputs: { a }, attributes: { alpha } }) =>
    model.node("Add", [a, model.number(alpha)]),
  ),
};

/** The table, by the operations' names. */
export const ROWS: Readonly<Record<string, Row>> = {
  ...CONVOLUTIONS,
  ...STATISTICS,
  ...LAYOUT,
  ...RESIZING,
  ...PATCHES,
  ...POINTWISE,
};
