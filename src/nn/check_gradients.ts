/**
 * Checks gradients against the operations' own results, as PyTorch's `gradcheck`, on the GPU in float32.
 *
 * For random directions v and a random upstream gradient u, the change of Σ y·u along v must be ⟨gradient, v⟩. It is
 * measured by central differences (f(x + h·v) − f(x − h·v)) / 2h at two steps h; what these differ by estimates the error
 * of the differences, and rounding adds 2⁻²⁴ of every term over h. In inputs in which the function is linear, the step
 * has no such error: there it is large, and the check is the sharper adjoint identity ⟨J·v, u⟩ = ⟨v, Jᵀ·u⟩.
 */
import { ArgumentError, MasaError } from "../errors.js";
import type { Device } from "../gpu/device.js";
import { compile, type Data, dataOf } from "../graph/plan/plan.js";
import { grad } from "../graph/trace/grad.js";
import { constant } from "../graph/trace/graph.js";
import { generator } from "../graph/trace/parameters.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { elements, type Shape } from "../kernels/kernel.js";

/** A gradient is not the derivative of what the operation computes. */
export class GradientError extends MasaError {
  override readonly name = "GradientError";
}

/** An input of the function: a shape, which is filled with random values in [−1, 1), or values. Integers have no gradient. */
export type CheckInput = Shape | { readonly shape: Shape; readonly data: Float32Array | Int32Array };

/** How gradients are checked. */
export interface CheckOptions<Name extends string = string> {
  /** Inputs in which the function is linear, the others fixed: their check is sharper. Default none. */
  readonly linear?: readonly Name[];
  /** Largest step of the differences, default 2⁻⁵. Smaller where the function has kinks near the inputs. */
  readonly step?: number;
  /** Directions tried for each input, default 3. */
  readonly directions?: number;
  readonly seed?: number;
}

/** How well an input's gradient agrees: the largest error, and the bound of that direction. */
export interface GradientCheck {
  readonly error: number;
  readonly bound: number;
}

/**
 * Checks the gradients of `f` with respect to all float inputs and returns the worst direction of each by name. Throws
 * `GradientError` naming the input whose gradient is wrong, and `ArgumentError` where there is nothing to check.
 */
export async function checkGradients<Name extends string>(
  device: Device,
  f: (inputs: Readonly<Record<Name, Tensor>>) => Tensor,
  inputs: Readonly<Record<Name, CheckInput>>,
  { linear = [], step = 2 ** -5, directions = 3, seed = 0 }: CheckOptions<Name> = {},
): Promise<Record<Name, GradientCheck>> {
  const uniform = generator(seed, 0);
  const random = (size: number) => Float32Array.from({ length: size }, () => 2 * uniform() - 1);
  const given = Object.entries<CheckInput>(inputs).map(([name, spec]) => {
    const { shape, data } = "shape" in spec ? spec : { shape: spec, data: random(elements(spec)) };
    return { name: name as Name, shape, data };
  });
  const floats = given.flatMap(({ name, data }) => (data instanceof Float32Array ? [{ name, data }] : []));
  if (floats.length === 0) throw new ArgumentError("checkGradients: no input holds floats", "Give at least one");
  const specs = Object.fromEntries(
    given.map(({ name, shape, data }) => [name, { shape, dtype: data instanceof Int32Array ? "i32" : "f32" }] as const),
  );
  const data: Readonly<Record<string, Data>> = Object.fromEntries(given.map(({ name, data }) => [name, data]));
  const build = (tensors: Readonly<Record<string, Tensor>>) => f(tensors as Readonly<Record<Name, Tensor>>);

  const forward = await compile(device, specs, (tensors) => ({ y: build(tensors) }));
  try {
    const { y } = dataOf(await forward.run(data));
    const u = random(y.length);
    const gradients = await gradientsOf(
      device,
      build,
      specs,
      data,
      floats.map(({ name }) => name),
      u,
    );
    const value = async (name: Name, v: Float32Array, h: number) => {
      const x = data[name] as Float32Array;
      const { y } = await forward.run({ ...data, [name]: x.map((value, i) => value + h * v[i]!) });
      return dot(y.data, u);
    };
    const slope = async (name: Name, v: Float32Array, h: number) => {
      const [above, below] = [await value(name, v, h), await value(name, v, -h)];
      const terms = above.terms + below.terms;
      return { slope: (above.sum - below.sum) / (2 * h), rounding: (ROUNDINGS * 2 ** -24 * terms) / (2 * h) };
    };
    const results: [Name, GradientCheck][] = [];
    for (const [i, { name, data: x }] of floats.entries()) {
      let worst: GradientCheck = { error: 0, bound: 0 };
      for (let k = 0; k < directions; k++) {
        const v = random(x.length);
        const expected = dot(gradients[i]!, v);
        const isLinear = linear.includes(name);
        const wide = await slope(name, v, isLinear ? 1 : step);
        const near = isLinear ? wide : await slope(name, v, step / 2);
        const error = Math.abs(near.slope - expected.sum);
        const gradientRounding = ROUNDINGS * 2 ** -24 * expected.terms;
        const bound = Math.abs(wide.slope - near.slope) + near.rounding + gradientRounding;
        if (!(error <= bound))
          throw new GradientError(
            `the gradient of ${name} gives a slope of ${expected.sum} where the function has ${near.slope} ± ${bound}`,
            "Correct the gradient; if the function has a kink nearby, move the inputs away from it or reduce `step`",
          );
        if (error / bound >= worst.error / (worst.bound || 1)) worst = { error, bound };
      }
      results.push([name, worst]);
    }
    return Object.fromEntries(results) as Record<Name, GradientCheck>;
  } finally {
    forward.dispose();
  }
}

/** Roundings that a value may have on its way, as a root of their number times a margin for WGSL's functions. */
const ROUNDINGS = 32;

/** The sum of products, and of their absolute values, in float64. */
function dot(a: ArrayLike<number>, b: ArrayLike<number>): { readonly sum: number; readonly terms: number } {
  let [sum, terms] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const product = a[i]! * b[i]!;
    sum += product;
    terms += Math.abs(product);
  }
  return { sum, terms };
}

/** The gradients of Σ y·u for the named inputs. */
async function gradientsOf(
  device: Device,
  f: (inputs: Readonly<Record<string, Tensor>>) => Tensor,
  specs: Readonly<Record<string, { readonly shape: Shape; readonly dtype: "f32" | "i32" }>>,
  data: Readonly<Record<string, Data>>,
  names: readonly string[],
  u: Float32Array,
): Promise<readonly Data[]> {
  const plan = await compile(device, specs, (tensors) => {
    const y = f(tensors);
    const upstream = constant("upstream", y.shape, u);
    const gradients = grad(
      [y],
      names.map((name) => tensors[name] as Tensor),
      [upstream],
    );
    return { gradients };
  });
  try {
    const { gradients } = await plan.run(data);
    return gradients.map((gradient) => gradient.data);
  } finally {
    plan.dispose();
  }
}
