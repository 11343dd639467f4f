/**
 * A check for the gradient of a function of many tensors: moved along its own gradient g, ⟨dy, f⟩ grows by |g|² a unit. The
 * function is run twice, on inputs moved forward and back by at most a hundredth; its curvature, the kinks of its
 * activations and float32 leave the slope right to a part in a thousand or better. An error that is not orthogonal to the
 * gradient shows; the exact comparisons are those of the tests.
 */
import type { Device } from "../src/gpu/device.js";
import { compile, type Data, type InputSpec } from "../src/graph/plan/plan.js";
import type { Tensor } from "../src/graph/trace/tensor.js";
import type { Arrays, Tensors } from "./case.js";

/** Most that an input is moved. */
const STEP = 0.01;
/** Part of |g|² that the slope may be off. */
const BOUND = 0.01;

export interface Slope {
  readonly inputs: Readonly<Record<string, InputSpec>>;
  readonly f: (inputs: Tensors) => Tensor;
  /** Values of the inputs. */
  readonly data: Arrays;
  readonly dy: Data;
  /** Of the inputs that have one, by their names. */
  readonly gradients: Arrays;
}

/** The error of the gradients as a part of its bound. */
export async function slopeError(device: Device, { inputs, f, data, dy, gradients }: Slope): Promise<number> {
  const all = Object.values(gradients);
  let largest = 0;
  for (const values of all) for (const value of values) largest = Math.max(largest, Math.abs(value));
  const expected = all.reduce((sum, values) => sum + dot(values, values), 0);
  const plan = await compile(device, inputs, (tensors) => ({ y: f(tensors) }));
  const at = async (step: number) => {
    const moved = Object.entries(gradients).map(([name, g]) => [name, g.map((v, i) => data[name]![i]! + step * v)]);
    const given = Object.fromEntries(Object.keys(inputs).map((name) => [name, data[name] as Data]));
    const { y } = await plan.run({ ...given, ...(Object.fromEntries(moved) as Arrays) });
    return dot(dy, y.data);
  };
  try {
    const step = STEP / largest;
    const slope = ((await at(step)) - (await at(-step))) / (2 * step);
    const error = Math.abs(slope - expected) / (BOUND * expected);
    return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
  } finally {
    plan.dispose();
  }
}

function dot(a: Data, b: Data): number {
  let sum = 0;
  for (const [i, value] of a.entries()) sum += value * b[i]!;
  return sum;
}
