/** Single operations: one row each says how the graph of a case is built from its inputs and hyperparameters. */
import { batchNorm } from "../graph/ops/batch_norm.js";
import { bceWithLogits } from "../graph/ops/bce_with_logits.js";
import { bicubicResize } from "../graph/ops/bicubic.js";
import { bilinearResize } from "../graph/ops/bilinear.js";
import { concat } from "../graph/ops/concat.js";
import { convTranspose2d } from "../graph/ops/conv_transpose2d.js";
import { conv2d } from "../graph/ops/conv2d.js";
import { fold } from "../graph/ops/fold.js";
import { gather } from "../graph/ops/gather.js";
import { instanceNorm } from "../graph/ops/instance_norm.js";
import { l1Loss } from "../graph/ops/l1_loss.js";
import { linear } from "../graph/ops/linear.js";
import { matmul } from "../graph/ops/matmul.js";
import { maxPool2d } from "../graph/ops/max_pool2d.js";
import { meanStd } from "../graph/ops/mean_std.js";
import { mseLoss } from "../graph/ops/mse_loss.js";
import { normalize } from "../graph/ops/normalize.js";
import { add, leakyRelu, relu } from "../graph/ops/pointwise.js";
import { replicatePad } from "../graph/ops/replicate_pad.js";
import { top1 } from "../graph/ops/top1.js";
import { unfold } from "../graph/ops/unfold.js";
import { Parameters } from "../graph/trace/parameters.js";
import type { Tensor, Variable } from "../graph/trace/tensor.js";
import { relativistic } from "../train/objective.js";
import type { Values } from "./compare.js";
import { type Entry, UnsupportedError } from "./entry.js";
import type { Built } from "./formula.js";
import { buildInputs, compareResults, type Operand, runGraph, type Tensors } from "./graph_case.js";
import { runAdam, runSchedule } from "./optimiser.js";
import type { Trial } from "./trial.js";

interface Row {
  /** Records the operation; `x("w")` is the input w, `inputs` are the names of all inputs. */
  readonly build: (x: Operand, hyper: Entry, inputs: readonly string[]) => Tensors;
  /** Inputs that the operation updates in place. */
  readonly state?: readonly string[];
  /** By how much each element of an index output is decided. */
  readonly margins?: (inputs: ReadonlyMap<string, Built>) => Readonly<Record<string, Values>>;
  /** Hyperparameters of which only one value can run. */
  readonly only?: Readonly<Record<string, unknown>>;
}

const ROWS: Readonly<Record<string, Row>> = {
  conv2d: {
    only: { groups: 1 },
    build: (x, hyper) => ({
      y: conv2d(x("x"), x("w"), hyper.flag("bias", true) ? x("b") : undefined, {
        stride: hyper.number("stride", 1),
        padding: hyper.number("padding", 0),
        dilation: hyper.number("dilation", 1),
      }),
    }),
  },
  conv_transpose2d: {
    only: { groups: 1, dilation: 1 },
    build: (x, hyper) => ({
      y: convTranspose2d(x("x"), x("w"), hyper.flag("bias", true) ? x("b") : undefined, {
        stride: hyper.number("stride", 1),
        padding: hyper.number("padding", 0),
        outputPadding: hyper.number("output_padding", 0),
      }),
    }),
  },
  unfold: { build: (x, hyper) => ({ y: unfold(x("x"), window(hyper)) }) },
  fold: { build: (x, hyper) => ({ y: fold(x("x"), pair(hyper, "output_size"), window(hyper)) }) },
  instance_norm: {
    only: { affine: false },
    build: (x, hyper) => ({ y: instanceNorm(x("x"), hyper.number("eps")) }),
  },
  batch_norm: {
    state: ["running_mean", "running_var"],
    build: (x, hyper) => {
      const [running_mean, running_var] = [x("running_mean") as Variable, x("running_var") as Variable];
      const options = {
        training: hyper.flag("training"),
        momentum: hyper.number("momentum"),
        eps: hyper.number("eps"),
      };
      const y = batchNorm(x("x"), x("w"), x("b"), running_mean, running_var, options);
      return { y, running_mean_after: running_mean, running_var_after: running_var };
    },
  },
  interpolate: { only: { align_corners: false }, build: (x, hyper) => ({ y: interpolate(x("x"), hyper) }) },
  pad: {
    only: { mode: "replicate" },
    build: (x, hyper) => ({ y: replicatePad(x("x"), hyper.numbers("pad") as [number, number, number, number]) }),
  },
  concat: { build: (x, hyper, inputs) => ({ y: concat(inputs.map(x), hyper.number("dim")) }) },
  "normalize+bmm": {
    build: (x, hyper) => {
      const eps = hyper.number("eps");
      return { y: matmul(normalize(x("a"), 2, eps), normalize(x("b"), 1, eps)) };
    },
  },
  gather: { only: { dim: 2 }, build: (x) => ({ y: gather(x("x"), x("index")) }) },
  topk: {
    only: { k: 1, dim: -1, largest: true },
    margins: (inputs) => ({ indices: leads(inputs.get("x")) }),
    build: (x) => ({ ...top1(x("x")) }),
  },
  "mean+std": { build: (x) => ({ ...meanStd(x("x")) }) },
  relu: { build: (x) => ({ y: relu(x("x")) }) },
  leaky_relu: { build: (x, hyper) => ({ y: leakyRelu(x("x"), hyper.number("slope")) }) },
  max_pool2d: { only: { kernel: 2, stride: 2 }, build: (x) => ({ y: maxPool2d(x("x")) }) },
  linear: { build: (x, _, inputs) => ({ y: linear(x("x"), x("w"), inputs.includes("b") ? x("b") : undefined) }) },
  l1_loss: { only: { reduction: "mean" }, build: (x) => ({ loss: l1Loss(x("pred"), x("target")) }) },
  mse_loss: { only: { reduction: "mean" }, build: (x) => ({ loss: mseLoss(x("pred"), x("target")) }) },
  bce_with_logits: {
    only: { reduction: "mean" },
    build: (x, hyper, inputs) => ({
      loss: inputs.includes("real")
        ? add(relativistic(x("real"), x("fake"), 1), relativistic(x("fake"), x("real"), 0))
        : bceWithLogits(x("x"), hyper.number("label")),
    }),
  },
};

/** Operations that are no graph of one step. */
const OTHERS: Readonly<Record<string, (trial: Trial) => void | Promise<void>>> = {
  adam: runAdam,
  lr_schedule: runSchedule,
};

export async function runOperation(trial: Trial): Promise<void> {
  const { golden, entry } = trial;
  const row = ROWS[golden.op];
  if (!row) {
    const other = OTHERS[golden.op];
    if (!other) throw new UnsupportedError(`op ${golden.op} is unknown`);
    return other(trial);
  }
  const hyper = entry.entry("hyper");
  hyper.only(row.only ?? {});
  const parameters = new Parameters();
  try {
    const variables = declareState(trial, parameters, row.state ?? []);
    await parameters.allocate(trial.device);
    const build = (x: Operand, inputs: readonly string[]) => row.build(x, hyper, inputs);
    const results = await runGraph(trial, { build, variables });
    await compareResults(trial, results, { margins: row.margins?.(buildInputs(trial)) ?? {} });
  } finally {
    parameters.dispose();
  }
}

/** Which rows of [..., n] have one maximum: infinite there, 0 where it is tied and PyTorch's choice is undefined. */
function leads(x: Built | undefined): number[] {
  const n = x?.shape.at(-1) ?? 1;
  const row = (i: number) => [...x!.data.subarray(i * n, (i + 1) * n)];
  const count = (x?.data.length ?? 0) / n;
  return Array.from({ length: count }, (_, i) => {
    const values = row(i);
    const best = Math.max(...values);
    return values.filter((value) => value === best).length === 1 ? Number.POSITIVE_INFINITY : 0;
  });
}

/** The inputs named in `state` as variables with the inputs' values. */
function declareState(trial: Trial, parameters: Parameters, state: readonly string[]): Tensors {
  if (state.length === 0) return {};
  const inputs = buildInputs(trial);
  return Object.fromEntries(
    state.flatMap((name) => {
      const built = inputs.get(name);
      return built ? [[name, parameters.declare(name, built.shape, (data) => data.set(built.data), false)]] : [];
    }),
  );
}

function window(hyper: Entry) {
  return {
    kernel: hyper.number("kernel"),
    stride: hyper.number("stride", 1),
    padding: hyper.number("padding", 0),
    dilation: hyper.number("dilation", 1),
  };
}

function pair(hyper: Entry, name: string): [number, number] {
  const [height, width] = hyper.numbers(name);
  if (height === undefined || width === undefined) throw hyper.broken(name, "a height and a width");
  return [height, width];
}

const RESIZE: Readonly<Record<string, typeof bilinearResize>> = { bilinear: bilinearResize, bicubic: bicubicResize };

/** PyTorch's interpolate to `size`, or by `scale_factor`. */
function interpolate(x: Tensor, hyper: Entry): Tensor {
  const resize = RESIZE[hyper.text("mode")];
  if (!resize) throw new UnsupportedError(`${hyper.where}: mode ${hyper.text("mode")} cannot run`);
  if (hyper.has("size")) return resize(x, pair(hyper, "size"));
  const factor = hyper.number("scale_factor");
  const size: [number, number] = [x.shape[2]! * factor, x.shape[3]! * factor];
  // PyTorch then samples by the factor, we by the ratio of the sizes.
  if (!size.every(Number.isInteger)) throw new UnsupportedError(`${hyper.where}: [${size}] is no whole size`);
  return resize(x, size);
}
