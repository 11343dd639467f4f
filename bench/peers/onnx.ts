/** ONNX models of one workload each: what ONNX Runtime is given. */
import { OnnxModel, type ValueType } from "../../src/onnx/model.js";
import { type Machine, type Prepare, type Prepared, peerRunner, type Runner } from "./serve.js";
import type { Operation, Values } from "./workloads.js";

/** Shapes of the workload's values, by their names. */
type Shapes = Readonly<Record<string, readonly number[]>>;

interface Recipe {
  /** Values that are part of the model, as trained weights are. */
  readonly weights?: readonly string[];
  build(model: OnnxModel, shapes: Shapes): void;
}

const f32 = (...shape: readonly (number | undefined)[]): ValueType => ({ shape: shape as number[], type: "f32" });
/** TensorProto.DataType's number of float32. */
const FLOAT = 1;
const WINDOW = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };

/** Rows divided by max(their norm, 10⁻¹²). */
function unit(model: OnnxModel, rows: string): string {
  const norm = model.node("ReduceL2", [rows, model.integers([1])], { keepdims: 1 });
  return model.node("Div", [rows, model.node("Max", [norm, model.number(1e-12)])]);
}

/** What ONNX Runtime can do of the workloads; it has no gradients. */
const RECIPES: Readonly<Partial<Record<Operation, Recipe>>> = {
  conv2d: {
    weights: ["weight", "bias"],
    build(model, { x, weight }) {
      const y = model.node("Conv", ["x", "weight", "bias"], WINDOW);
      model.output("y", y, f32(x![0], weight![0], x![2], x![3]));
    },
  },
  conv_transpose2d: {
    weights: ["weight", "bias"],
    build(model, { x, weight }) {
      const window = { ...WINDOW, strides: [2, 2], output_padding: [1, 1] };
      const y = model.node("ConvTranspose", ["x", "weight", "bias"], window);
      model.output("y", y, f32(x![0], weight![1], 2 * x![2]!, 2 * x![3]!));
    },
  },
  match: {
    build(model, { queries }) {
      const transposed = model.node("Transpose", [unit(model, "candidates")], { perm: [1, 0] });
      const scores = model.node("MatMul", [unit(model, "queries"), transposed]);
      const index = model.node("ArgMax", [scores], { axis: 1, keepdims: 0 });
      // 64-bit whole numbers would come back as BigInt.
      model.output("index", model.node("Cast", [index], { to: FLOAT }), f32(queries![0]));
      const score = model.node("ReduceMax", [scores, model.integers([1])], { keepdims: 0 });
      model.output("score", score, f32(queries![0]));
    },
  },
  instance_norm: {
    build(model, { x }) {
      const C = x![1]!;
      const [one, zero] = [1, 0].map((value) => model.constant([C], new Float32Array(C).fill(value)));
      model.output("y", model.node("InstanceNormalization", ["x", one, zero]), f32(...x!));
    },
  },
  matmul: { build: (model, { a }) => model.output("y", model.node("MatMul", ["a", "b"]), f32(...a!)) },
};

/** A runner of ONNX Runtime; `open` makes a session of a model ready for its inputs. */
export function onnxRunner(adapter: () => Machine, open: (model: ReadyModel) => Promise<Prepared>): Runner {
  const operations = Object.entries(RECIPES).map(([operation, recipe]) => {
    const prepare: Prepare = (values) => open(modelOf(recipe, values));
    return [operation, prepare];
  });
  return peerRunner(adapter, Object.fromEntries(operations));
}

interface ReadyModel {
  readonly bytes: Uint8Array;
  /** What a run takes; the weights are part of the model. */
  readonly inputs: Readonly<Record<string, Values>>;
}

function modelOf({ weights = [], build }: Recipe, values: Readonly<Record<string, Values>>): ReadyModel {
  const model = new OnnxModel();
  const inputs: Record<string, Values> = {};
  for (const [name, value] of Object.entries(values)) {
    if (weights.includes(name)) model.weight(name, value.shape, value.data);
    else {
      model.input(name, f32(...value.shape));
      inputs[name] = value;
    }
  }
  build(model, Object.fromEntries(Object.entries(values).map(([name, { shape }]) => [name, shape])));
  return { bytes: model.bytes("a workload of bench:peers"), inputs };
}
