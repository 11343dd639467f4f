/**
 * The dispatches of a graph: recorded from its nodes, checked against their shaders and the adapter, their parameters laid
 * out in one block.
 */
import { advice } from "../../errors.js";
import type { Buffer, Device } from "../../gpu/device.js";
import { formatBytes, LimitError } from "../../gpu/errors.js";
import type { Pipeline, PipelineSpec } from "../../gpu/pipeline.js";
import { packParams } from "../../gpu/shader.js";
import { byteSize, type Choice, type Dispatch, type Operand, Recorder } from "../../kernels/kernel.js";
import type { Graph } from "../trace/graph.js";
import { GraphError, type Node, type Tensor, tensorsOf, Variable } from "../trace/tensor.js";
import { storage } from "./layout.js";

/** A dispatch of a plan. */
export interface PlannedDispatch extends Dispatch {
  /** Scope and operation. */
  readonly label: string;
  readonly scope: string;
  /** Of the tensors that it binds, each counted once. */
  readonly bytes: number;
}

/** A choice between variants, with the operation that asked for it. */
export interface PlanChoice extends Choice {
  readonly node: Node;
  /** Of the operation, in FLOP: an estimate from what its dispatches compute and move. */
  readonly work: number;
}

/** FLOP that take as long as moving a byte. */
const FLOPS_PER_BYTE = 16;

export function workOf({ flops = 0, bytes }: PlannedDispatch): number {
  return Math.max(flops, FLOPS_PER_BYTE * bytes);
}

/** What is compiled for a dispatch. */
export function pipelineOf({ shader, entry = "main", constants = {}, bindings }: Dispatch): PipelineSpec {
  const halves = Object.keys(bindings).filter((name) => bindings[name]?.dtype === "f16");
  return { shader, entry, constants, halves };
}

/** WebGPU's default alignment of uniform offsets. */
export const PARAMS_ALIGNMENT = 256;

/** The nodes that the outputs and the in-place updates need, in recorded order. */
export function liveNodes(graph: Graph, outputs: readonly Tensor[]): Node[] {
  const live = new Set<Node>();
  const stack = [
    ...outputs.flatMap(({ node }) => node ?? []),
    ...graph.nodes.filter((node) => node.updates.length > 0),
  ];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (live.has(node)) continue;
    live.add(node);
    for (const tensor of tensorsOf(node.inputs)) if (tensor.node) stack.push(tensor.node);
  }
  return [...live].sort((a, b) => a.order - b.order);
}

/** What the nodes that `outputs` and the in-place updates need record, with the variants that `chosen` names. */
export function recordNodes(
  device: Device,
  graph: Graph,
  outputs: readonly Tensor[],
  chosen: ReadonlyMap<string, string>,
): { readonly dispatches: PlannedDispatch[]; readonly choices: PlanChoice[] } {
  const { limits, features, info } = device;
  const subgroupMinSize = features.has("subgroups") ? info.subgroupMinSize : 0;
  const recorder = new Recorder({ limits, subgroupMinSize, software: info.software, choices: chosen });
  const dispatches: PlannedDispatch[] = [];
  const choices: PlanChoice[] = [];
  for (const node of liveNodes(graph, outputs)) {
    const { operation, inputs, outputs: results, attributes, scope } = node;
    recorder.label = scope ? `${scope}/${operation.name}` : operation.name;
    operation.kernel?.(recorder, inputs, results, attributes);
    const planned = recorder.dispatches
      .slice(dispatches.length)
      .map((dispatch) => ({ ...dispatch, scope, bytes: boundBytes(dispatch) }));
    dispatches.push(...planned);
    const work = planned.reduce((sum, dispatch) => sum + workOf(dispatch), 0);
    for (const choice of recorder.choices.slice(choices.length)) choices.push({ ...choice, node, work });
  }
  if (!features.has("shader-f16")) refuseHalves(dispatches);
  return { dispatches, choices };
}

/** What a node would run: the names of its variants in the order in which it chooses them, and its work in FLOP. */
export interface NodeWork {
  readonly variants: readonly string[];
  readonly work: number;
}

/** What the nodes of a graph would run on an adapter without limits: variants for parts of it, and estimates. */
export function workOfNodes(device: Device, nodes: readonly Node[]): Map<Node, NodeWork> {
  const { limits, features, info, choices } = device;
  const subgroupMinSize = features.has("subgroups") ? info.subgroupMinSize : 0;
  const unlimited = { ...limits, maxComputeWorkgroupsPerDimension: Number.POSITIVE_INFINITY };
  return new Map(
    nodes.map((node) => {
      const recorder = new Recorder({ limits: unlimited, subgroupMinSize, software: info.software, choices });
      node.operation.kernel?.(recorder, node.inputs, node.outputs, node.attributes);
      const planned = recorder.dispatches.map((dispatch) => ({ ...dispatch, scope: "", bytes: boundBytes(dispatch) }));
      const work = planned.reduce((sum, dispatch) => sum + workOf(dispatch), 0);
      return [node, { variants: recorder.choices.map(({ taken }) => taken), work }];
    }),
  );
}

function refuseHalves(dispatches: readonly PlannedDispatch[]): void {
  const operands = dispatches.flatMap(({ bindings }) => Object.values(bindings));
  const half = operands.find(({ dtype }) => dtype === "f16");
  if (half)
    throw new LimitError(
      `${half.name} would be stored as f16, which this adapter does not support: it lacks shader-f16`,
      advice('Use storage: "f32"', "Omit --half"),
    );
}

function boundBytes({ bindings }: Dispatch): number {
  const operands = new Map(Object.values(bindings).map((operand) => [storage(operand), byteSize(operand)]));
  return [...operands.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** "encode/conv2d: fea" for an operand that does not carry the operation's name itself. */
function where(label: string, { name }: Operand): string {
  return name.startsWith(label) ? name : `${label}: ${name}`;
}

/** Checks that the variables among `operands` are where a plan's commands expect them: on its device, in the same memory. */
export function checkVariables(
  device: Device,
  operands: Iterable<Operand>,
  buffers: ReadonlyMap<Operand, Buffer>,
): void {
  for (const operand of operands) {
    if (!(operand instanceof Variable)) continue;
    const { name, buffer } = operand;
    if (!buffer) throw new GraphError(`${name} is not on a GPU`, "Call parameters.allocate(device) first");
    if (buffer.device !== device)
      throw new GraphError(
        `${name} is on another device than the plan`,
        "Load the weights on the device that runs them",
      );
    if (!buffer.alive || buffer !== (buffers.get(operand) ?? buffer))
      throw new GraphError(`${name} was freed after the plan was compiled`, "Compile the plan again");
  }
}

/** Refuses tensors that are too large for the adapter to bind, before anything is compiled. */
export function checkSizes(device: Device, dispatches: readonly PlannedDispatch[]): void {
  const most = device.limits.maxStorageBufferBindingSize;
  for (const { label, bindings } of dispatches)
    for (const operand of Object.values(bindings).map(storage)) {
      if (byteSize(operand) > most)
        throw new LimitError(
          `${where(label, operand)} [${operand.shape}] takes ${formatBytes(byteSize(operand))}, this adapter binds ${formatBytes(most)} at most`,
          "Use a smaller image, reference or batch",
        );
    }
}

/** Checks a dispatch against its shader and the adapter's limits before any GPU memory is taken. */
export function checkBindings(device: Device, { shader, label, bindings }: PlannedDispatch, pipeline: Pipeline): void {
  const declared = pipeline.interface.bindings;
  const wrong =
    declared.find(({ name }) => !bindings[name])?.name ??
    Object.keys(bindings).find((name) => !declared.some((binding) => binding.name === name));
  if (wrong)
    throw new GraphError(`${label}: shader ${shader} and its kernel disagree on binding '${wrong}'`, "Correct either");
  const { maxUniformBufferBindingSize, maxStorageBuffersPerShaderStage } = device.limits;
  const written = new Set<Operand>();
  for (const { name, access } of declared) {
    const operand = storage(bindings[name] as Operand);
    if (access === "uniform" && byteSize(operand) > maxUniformBufferBindingSize)
      throw new LimitError(
        `${where(label, operand)} [${operand.shape}] takes ${formatBytes(byteSize(operand))}, this adapter binds ${formatBytes(maxUniformBufferBindingSize)} as a uniform`,
        "Bind it as storage",
      );
    if (access === "write") written.add(operand);
  }
  for (const { name, access } of declared) {
    if (access !== "write" && written.has(storage(bindings[name] as Operand)))
      throw new GraphError(
        `${label}: '${name}' is read and written in one dispatch`,
        "Give the output a tensor of its own",
      );
  }
  const count = declared.filter(({ access }) => access !== "uniform").length;
  if (count > maxStorageBuffersPerShaderStage)
    throw new LimitError(
      `${label} binds ${count} buffers, this adapter ${maxStorageBuffersPerShaderStage}`,
      "Bind fewer",
    );
}

/** The parameter blocks of all dispatches, `PARAMS_ALIGNMENT` bytes each. */
export function packAll(dispatches: readonly PlannedDispatch[], pipelines: readonly Pipeline[]): Uint8Array {
  const bytes = new Uint8Array(dispatches.length * PARAMS_ALIGNMENT);
  for (const [i, { shader, params = {} }] of dispatches.entries()) {
    const block = packParams(shader, (pipelines[i] as Pipeline).interface.params, params);
    bytes.set(new Uint8Array(block), i * PARAMS_ALIGNMENT);
  }
  return bytes;
}
