/**
 * The check every operation passes, on seeded random shapes:
 *
 *  1. GPU output against the float64 reference;
 *  2. GPU gradient against the float64 reference gradient;
 *  3. the reference gradient against central differences of the reference, along random directions;
 *  4. for inputs in which the operation is linear, the adjoint identity ⟨J v, u⟩ = ⟨v, Jᵀ u⟩ on the GPU.
 *
 * 1, 2 and 4 hold for every variant of the kernels that can be chosen here. An operation that takes 16 bits (`Operation.f16`)
 * passes 1 on further shapes so stored, with inputs that a half holds exactly.
 *
 * 1 and 2 use the error bound of a float32 sum of K products, 4·√K·2⁻²⁴·Σ|terms|: the √K is how rounding errors of
 * random sign add up, the 4 is a margin for WGSL's looser division and square root. Σ|terms| is what the reference
 * gives for the absolute values of its inputs, or what the test names where the operation is not multilinear. An output in 16
 * bits adds one of WGSL's roundings: 2⁻¹⁰ of the value, up or down, or 2⁻¹⁴ where a number below that becomes 0.
 */
import { expect } from "chai";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { cast, input, storedAs, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import { roundToHalf } from "../../../src/reference/cast.js";
import { testDevice } from "../../device.js";
import { errorScale, everyVariant, type Turn, taken } from "./variants.js";

export type Arrays = Readonly<Record<string, NdArray>>;
export type Tensors = Readonly<Record<string, Tensor>>;

export interface OperationCheck<A> {
  /** How many random cases; default 50. */
  readonly cases?: number;
  /** How many of them with tensors in 16 bits; default 8. */
  readonly halfCases?: number;
  /** Draws inputs and attributes. Integer inputs are named in `integers`. */
  sample(random: Random, i: number): { inputs: Arrays; attributes: A };
  readonly integers?: readonly string[];
  /** The operation in the graph: named outputs. */
  graph(inputs: Tensors, attributes: A): Tensors;
  /** The same in float64: outputs of the same names. */
  reference(inputs: Arrays, attributes: A): Arrays;
  /** Float64 gradients of Σ output·upstream for the inputs that have one; absent for operations without gradient. */
  gradient?(inputs: Arrays, upstream: Arrays, attributes: A): Arrays;
  /** Inputs in which the operation is linear, the others fixed. */
  readonly linear?: readonly string[];
  /** Number of products that make up one output or gradient element, at most. */
  terms(inputs: Arrays, attributes: A): number;
  /** Σ|terms| of every output; default the reference of the absolute inputs. */
  magnitude?(inputs: Arrays, attributes: A): Arrays;
  /** Σ|terms| of every gradient; default the reference gradient of absolute inputs and upstream. */
  gradientMagnitude?(inputs: Arrays, upstream: Arrays, attributes: A): Arrays;
}

/** Runs the check as one mocha test a case. */
export function checkOperation<A>(name: string, check: OperationCheck<A>): void {
  for (let i = 0; i < (check.cases ?? 50); i++) {
    const random = new Random(`${name} ${i}`);
    const { inputs, attributes } = check.sample(random, i);
    it(`${name} ${describeCase(inputs, attributes)}`, () => checkCase(check, inputs, attributes, random));
  }
  for (let i = 0; i < (check.halfCases ?? 8); i++) {
    const { inputs, attributes } = check.sample(new Random(`${name} in 16 bits ${i}`), i);
    if (!takesHalves(check, inputs, attributes)) return;
    const stored = STORED[i % STORED.length] as Stored;
    const how = `${Object.keys(inputs).filter((_, at) => stored.input(at))} in 16 bits${stored.outputs ? ", outputs too" : ""}`;
    it(`${name} ${describeCase(inputs, attributes)}: ${how}`, () => checkHalves(check, inputs, attributes, stored));
  }
}

/** What is stored in 16 bits. */
interface Stored {
  input(at: number): boolean;
  readonly outputs: boolean;
}

const STORED: readonly Stored[] = [
  { input: () => true, outputs: true },
  { input: () => true, outputs: false },
  { input: (at) => at % 2 === 0, outputs: true },
  { input: (at) => at % 2 === 1, outputs: true },
];

/** Whether what is checked is one operation, not several, and one that takes 16 bits. */
function takesHalves<A>(check: OperationCheck<A>, inputs: Arrays, attributes: A): boolean {
  const { nodes } = trace(() => {
    const specs = Object.entries(specsOf(check, inputs));
    check.graph(
      Object.fromEntries(specs.map(([name, { shape, dtype }]) => [name, input(name, shape, dtype)])),
      attributes,
    );
  }).graph;
  return nodes.length === 1 && nodes[0]?.operation.f16 !== undefined;
}

async function checkHalves<A>(check: OperationCheck<A>, given: Arrays, attributes: A, stored: Stored): Promise<void> {
  const half = (name: string) => !check.integers?.includes(name) && stored.input(Object.keys(given).indexOf(name));
  const inputs = mapValues(given, (x, name) => (half(name) ? roundToHalf(x) : x));
  const expected = check.reference(inputs, attributes);
  const unit = 4 * Math.sqrt(check.terms(inputs, attributes)) * 2 ** -24;
  const magnitude =
    check.magnitude?.(inputs, attributes) ??
    check.reference(
      mapValues(inputs, (x) => map(x, Math.abs)),
      attributes,
    );
  let halves: string[] = [];
  const build = (tensors: Tensors): Tensors => {
    const casted = mapValues(tensors, (tensor, name) => (half(name) ? cast(tensor, "f16") : tensor));
    const outputs = storedAs(stored.outputs ? "f16" : "f32", () => check.graph(casted, attributes));
    halves = Object.keys(outputs).filter((name) => outputs[name]?.dtype === "f16");
    return outputs;
  };
  const runs = await everyVariant((choices) => runOnGpu(check, inputs, {}, build, choices));
  for (const run of runs)
    for (const output of Object.keys(expected))
      compare(output, run, expected, magnitude, unit, halves.includes(output) ? halfRounding : undefined);
}

/** Of a value that becomes a half. */
function halfRounding(value: number): number {
  return 2 ** -10 * Math.abs(value) + 2 ** -14;
}

async function checkCase<A>(check: OperationCheck<A>, inputs: Arrays, attributes: A, random: Random): Promise<void> {
  const expected = check.reference(inputs, attributes);
  const upstream = mapValues(expected, ({ shape }) => random.array(shape));
  const gradients = check.gradient?.(inputs, upstream, attributes) ?? {};
  const runs = await everyVariant((choices) =>
    runOnGpu(check, inputs, upstream, withGradients(check, attributes, upstream, Object.keys(gradients)), choices),
  );
  const unit = 4 * Math.sqrt(check.terms(inputs, attributes)) * 2 ** -24;
  const absolute = mapValues(inputs, (x) => map(x, Math.abs));
  const magnitude = check.magnitude?.(inputs, attributes) ?? check.reference(absolute, attributes);
  for (const run of runs) for (const output of Object.keys(expected)) compare(output, run, expected, magnitude, unit);
  if (!check.gradient) return;
  const absoluteUpstream = mapValues(upstream, (x) => map(x, Math.abs));
  const gradientMagnitude =
    check.gradientMagnitude?.(inputs, upstream, attributes) ?? check.gradient(absolute, absoluteUpstream, attributes);
  for (const [wrt, gradient] of Object.entries(gradients)) {
    const name = `d${wrt}`;
    for (const run of runs)
      compare(name, run, { [name]: gradient }, { [name]: gradientMagnitude[wrt] as NdArray }, unit);
    checkDirection(check, inputs, upstream, attributes, wrt, gradient, random);
  }
  for (const wrt of check.linear ?? [])
    for (const run of runs) checkAdjoint(wrt, inputs, upstream, run.got, gradientMagnitude);
}

interface Run extends Turn {
  readonly got: Record<string, ArrayLike<number>>;
}

function specsOf<A>({ integers = [] }: OperationCheck<A>, inputs: Arrays) {
  return mapValues(inputs, ({ shape }, name) => ({ shape, dtype: integers.includes(name) ? "i32" : "f32" }) as const);
}

/** The operation and its gradients: outputs under their names, gradients under `d` + input. */
function withGradients<A>(check: OperationCheck<A>, attributes: A, upstream: Arrays, wrt: readonly string[]) {
  return (tensors: Tensors): Tensors => {
    const outputs = check.graph(tensors, attributes);
    const names = Object.keys(upstream).filter((name) => outputs[name]?.dtype === "f32");
    if (wrt.length === 0) return outputs;
    const ups = names.map((name) => input(`upstream ${name}`, (outputs[name] as Tensor).shape));
    const dxs = grad(
      names.map((name) => outputs[name] as Tensor),
      wrt.map((name) => tensors[name] as Tensor),
      ups,
    );
    return { ...outputs, ...Object.fromEntries(wrt.map((name, i) => [`d${name}`, dxs[i] as Tensor])) };
  };
}

async function runOnGpu<A>(
  check: OperationCheck<A>,
  inputs: Arrays,
  upstream: Arrays,
  build: (tensors: Tensors) => Tensors,
  choices: ReadonlyMap<string, string>,
): Promise<Run> {
  const specs = specsOf(check, inputs);
  const plan = await compile(await testDevice(), specs, build, { choices });
  try {
    const data = mapValues(inputs, ({ data }, name) =>
      specs[name]?.dtype === "i32" ? Int32Array.from(data) : Float32Array.from(data),
    );
    const ups = Object.entries(upstream).map(([name, { data }]) => [`upstream ${name}`, Float32Array.from(data)]);
    return { got: dataOf(await plan.run({ ...data, ...Object.fromEntries(ups) })), choices: plan.choices };
  } finally {
    plan.dispose();
  }
}

function compare(
  name: string,
  run: Run,
  expected: Arrays,
  magnitude: Arrays,
  unit: number,
  storing = (_value: number) => 0,
) {
  const { data, shape } = expected[name] as NdArray;
  const values = run.got[name] as ArrayLike<number>;
  expect(values.length, `elements of ${name}`).to.equal(data.length);
  const scale = errorScale(run, (magnitude[name] as NdArray).data);
  for (let i = 0; i < data.length; i++) {
    const bound = unit * scale(i) + storing(data[i] as number) + 1e-30;
    const error = Math.abs((values[i] as number) - (data[i] as number));
    if (!(error <= bound))
      expect.fail(
        `${name}[${i}] of [${shape}] by ${taken(run)}: got ${values[i]}, expected ${data[i]}, error ${error} > bound ${bound}`,
      );
  }
}

/** ⟨gradient, v⟩ against (f(x + εv) − f(x − εv)) / 2ε, in float64. */
function checkDirection<A>(
  check: OperationCheck<A>,
  inputs: Arrays,
  upstream: Arrays,
  attributes: A,
  wrt: string,
  gradient: NdArray,
  random: Random,
): void {
  const direction = random.array(gradient.shape);
  const step = 1e-6;
  const loss = (factor: number) => {
    const moved = map(inputs[wrt] as NdArray, (value, i) => value + factor * (direction.data[i] as number));
    const outputs = check.reference({ ...inputs, [wrt]: moved }, attributes);
    return Object.keys(upstream).reduce(
      (sum, name) => sum + dot(outputs[name] as NdArray, upstream[name] as NdArray),
      0,
    );
  };
  const numeric = (loss(step) - loss(-step)) / (2 * step);
  const analytic = dot(gradient, direction);
  const size = Math.sqrt(dot(gradient, gradient) * dot(direction, direction)) + Math.abs(loss(0)) + 1;
  expect(Math.abs(numeric - analytic), `d${wrt}: central difference ${numeric}, gradient ${analytic}`).to.be.below(
    1e-7 * size,
  );
}

function checkAdjoint(
  wrt: string,
  inputs: Arrays,
  upstream: Arrays,
  got: Record<string, ArrayLike<number>>,
  magnitude: Arrays,
): void {
  const forward = Object.keys(upstream).reduce(
    (sum, name) => sum + dot(ndarray([], got[name]), upstream[name] as NdArray),
    0,
  );
  const backward = dot(ndarray([], got[`d${wrt}`]), inputs[wrt] as NdArray);
  const size = dot(map(inputs[wrt] as NdArray, Math.abs), magnitude[wrt] as NdArray) + 1e-6;
  expect(Math.abs(forward - backward), `adjoint identity of ${wrt}: ${forward} and ${backward}`).to.be.below(
    1e-5 * size,
  );
}

function dot(a: NdArray, b: NdArray): number {
  return a.data.reduce((sum, value, i) => sum + value * (b.data[i] as number), 0);
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, f: (value: T, key: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value, key)]));
}

function describeCase(inputs: Arrays, attributes: unknown): string {
  const shapes = Object.entries(inputs).map(([name, { shape }]) => `${name}[${shape}]`);
  return `${shapes.join(" ")} ${JSON.stringify(attributes) ?? ""}`;
}

/** Seeded random numbers: the same cases in every run. */
export class Random {
  #state: number;
  constructor(seed: string) {
    this.#state = [...seed].reduce((hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 16777619), 2166136261);
  }
  /** Uniform in [0, 1) (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  /** Whole number in [low, high]. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }
  pick<T>(values: readonly T[]): T {
    return values[this.int(0, values.length - 1)] as T;
  }
  /** Values in [−1, 1) that float32 holds exactly. */
  array(shape: readonly number[], scale = 1, offset = 0): NdArray {
    return map(ndarray(shape), () => Math.fround(offset + scale * (2 * this.next() - 1)));
  }
}
