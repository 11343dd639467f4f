/**
 * Cases that are one graph: inputs from formulas, named outputs, and the gradients of Σ ⟨output, upstream⟩ with respect
 * to inputs and parameters.
 */

import { compile, type Data, dataOf, type InputSpec } from "../graph/plan/plan.js";
import { grad } from "../graph/trace/grad.js";
import { input } from "../graph/trace/graph.js";
import type { Parameters } from "../graph/trace/parameters.js";
import type { Tensor } from "../graph/trace/tensor.js";
import type { Values } from "./compare.js";
import { ManifestError } from "./entry.js";
import { type Built, buildTensor } from "./formula.js";
import type { Trial } from "./trial.js";

export type Tensors = Readonly<Record<string, Tensor>>;

/** The tensor of that name; a `ManifestError` where the case has none. */
export type Operand = (name: string) => Tensor;

export interface GraphCase {
  /** Records the graph and returns its outputs under the manifest's names. */
  readonly build: (operand: Operand, names: readonly string[]) => Tensors;
  /** What the graph trains or updates, on the device already. */
  readonly parameters?: Parameters;
  /** Whether the graph has the gradients that the case has golden values of; default true. */
  readonly gradients?: boolean;
  /** Inputs that are variables rather than written before the run. */
  readonly variables?: Tensors;
}

export type Results = Readonly<Record<string, Data>>;

const UPSTREAM = "upstream ";

/** The name of a parameter's gradient in results. */
export function gradientName(parameter: string): string {
  return `gradient of ${parameter}`;
}

/** The inputs of a case, built. */
export function buildInputs(trial: Trial): Map<string, Built> {
  return new Map(trial.entry.entries("inputs").map(([name, entry]) => [name, buildTensor(entry)]));
}

/** Runs the graph and returns outputs by name, gradients as `grad_<input>` and `gradient of <parameter>`. */
export async function runGraph(trial: Trial, graph: GraphCase): Promise<Results> {
  const { entry, device } = trial;
  const variables = graph.variables ?? {};
  const inputs = [...buildInputs(trial)].filter(([name]) => !(name in variables));
  const upstreams = entry.entries("upstream").map(([name, spec]) => [name, buildTensor(spec)] as const);
  const plan = await compile(device, specsOf(inputs), (tensors) => {
    const operands: Tensors = { ...tensors, ...variables };
    const outputs = graph.build(
      (name) => {
        const tensor = operands[name];
        if (!tensor) throw new ManifestError(`${entry.where} has no input ${name}`, "Correct the manifest");
        return tensor;
      },
      inputs.map(([name]) => name),
    );
    return {
      ...outputs,
      ...gradients(
        trial,
        graph,
        operands,
        outputs,
        upstreams.map(([name]) => name),
      ),
    };
  });
  try {
    const data = inputs.map(([name, { data }]) => [name, data]);
    const ups = upstreams.map(([name, { data }]) => [`${UPSTREAM}${name}`, data]);
    return dataOf(await plan.run(Object.fromEntries([...data, ...ups])));
  } finally {
    plan.dispose();
  }
}

function specsOf(inputs: readonly (readonly [string, Built])[]): Record<string, InputSpec> {
  return Object.fromEntries(
    inputs.map(([name, { shape, data }]) => [name, { shape, dtype: data instanceof Int32Array ? "i32" : "f32" }]),
  );
}

/** The gradients that the case has golden values of. */
function gradients(trial: Trial, graph: GraphCase, operands: Tensors, outputs: Tensors, upstreams: string[]): Tensors {
  const { entry } = trial;
  const wanted = new Map<string, Tensor>();
  if (graph.gradients === false) return {};
  for (const [name] of entry.entries("grads")) {
    const tensor = operands[name.replace(/^grad_/, "")];
    if (tensor) wanted.set(name, tensor);
  }
  for (const name of parameterNames(trial)) {
    const tensor = graph.parameters?.all.find((variable) => variable.name === name);
    if (tensor) wanted.set(gradientName(name), tensor);
  }
  if (wanted.size === 0) return {};
  const ys = upstreams.map((name) => {
    const output = outputs[name];
    if (!output)
      throw new ManifestError(`${entry.where} has an upstream for ${name}, which is no output`, "Correct it");
    return output;
  });
  // A scalar's upstream has shape [], ours may have sides of 1: the output's shape decides.
  const ups = ys.map((y, i) => input(UPSTREAM + upstreams[i], y.shape));
  const dxs = grad(ys, [...wanted.values()], ups);
  return Object.fromEntries([...wanted.keys()].map((name, i) => [name, dxs[i] as Tensor]));
}

/** The parameters whose gradients the case has golden values of. */
export function parameterNames({ entry, set }: Trial): string[] {
  const full = entry.entries("param_grads").map(([name]) => name);
  const summary = entry.has("param_grads_summary") ? set.summaryNames(entry.entry("param_grads_summary")) : [];
  return [...new Set([...full, ...summary])];
}

export interface CompareOptions {
  /** Put before the names in the report. */
  readonly label?: string;
  /** Default true. */
  readonly gradients?: boolean;
  /** Outputs that this graph does not have. */
  readonly skip?: readonly string[];
  /** Of index outputs: elements whose margin is small are not compared. */
  readonly margins?: Readonly<Record<string, Values>>;
}

/** Compares everything the case has golden values of with the results of `runGraph`. */
export async function compareResults(trial: Trial, results: Results, options: CompareOptions = {}): Promise<void> {
  const { entry } = trial;
  const { label = "", margins = {}, gradients = true, skip = [] } = options;
  for (const group of gradients ? ["outputs", "grads"] : ["outputs"]) {
    for (const [name, spec] of entry.entries(group))
      if (!skip.includes(name)) await trial.compare(label + name, spec, results[name], margins[name]);
  }
  if (gradients) await compareParameterGradients(trial, (name) => results[gradientName(name)], label);
}

export async function compareParameterGradients(trial: Trial, got: (name: string) => Data | undefined, label = "") {
  const { entry } = trial;
  for (const [name, spec] of entry.entries("param_grads")) await trial.compare(`${label}grad ${name}`, spec, got(name));
  if (entry.has("param_grads_summary"))
    await trial.compareSummaries(`${label}grad`, entry.entry("param_grads_summary"), got);
}
