/**
 * Cuts a graph into stages. A stage is a run of local operations that ends in one node, the only one whose outputs are kept;
 * everything between its sources and that node is computed window by window and forgotten.
 *
 * A node ends a stage when its outputs are wanted by the caller, or by an operation that is not local (statistics, matching), or
 * by several stages. In the last case only nodes with weights end a stage: recomputing a resize or a sum costs less than keeping it.
 */
import { GraphError, type Node, type Tensor, tensorsOf, Variable } from "../trace/tensor.js";
import type { Ratio } from "../trace/window.js";
import { gcd, lcm, mapsOf, multiply, ruleOf, sizeOf } from "./rules.js";

/** Pixels by which the corners of windows are aligned in every map of a stage: Winograd's tiles then lie as in the whole map. */
const ALIGNMENT = 4;

export interface Stage {
  /** The node whose outputs are kept. They have one size. */
  readonly end: Node;
  /** In recorded order; the last is `end`. */
  readonly nodes: readonly Node[];
  /** Maps that are read window by window: inputs of the graph, and outputs of other nodes. */
  readonly sources: readonly Tensor[];
  /** Pixels of each map per pixel of the outputs. */
  readonly scales: ReadonlyMap<Tensor, Ratio>;
  /** Pixels of the outputs around a tile whose inputs it needs. A multiple of `grid`. */
  readonly halo: number;
  /** What the corners of windows are multiples of, in pixels of the outputs. */
  readonly grid: number;
}

/** The stage that ends in each node that ends one. `nodes` are in recorded order. */
export function cutIntoStages(nodes: readonly Node[], outputs: readonly Tensor[]): Map<Node, Stage> {
  const users = new Map<Tensor, Node[]>();
  for (const node of nodes) {
    for (const tensor of tensorsOf(node.inputs)) users.set(tensor, [...(users.get(tensor) ?? []), node]);
  }
  const ends = new Set<Node>();
  /** The stages that a node's outputs take part in. */
  const partOf = new Map<Node, Set<Node>>();
  for (const node of nodes.toReversed()) {
    if (!ruleOf(node)) continue;
    const results = Object.values(node.outputs);
    const usedBy = results.flatMap((tensor) => users.get(tensor) ?? []);
    const kept = results.some((tensor) => outputs.includes(tensor)) || usedBy.some((user) => !partOf.has(user));
    const stages = new Set(usedBy.flatMap((user) => [...(partOf.get(user) ?? [])]));
    const weighs = tensorsOf(node.inputs).some((tensor) => tensor instanceof Variable);
    if (kept || (stages.size > 1 && weighs)) {
      ends.add(node);
      partOf.set(node, new Set([node]));
    } else partOf.set(node, stages);
  }
  return new Map(
    [...ends].map((end) => {
      const own = nodes.filter((node) => node === end || (!ends.has(node) && partOf.get(node)?.has(end)));
      return [end, stageOf(end, own)];
    }),
  );
}

function stageOf(end: Node, nodes: readonly Node[]): Stage {
  const scales = new Map<Tensor, Ratio>(Object.values(end.outputs).map((tensor) => [tensor, [1, 1]]));
  const halos = new Map<Tensor, number>();
  const inside = new Set(nodes);
  const sources = new Set<Tensor>();
  for (const node of nodes.toReversed()) {
    const [result] = Object.values(node.outputs) as [Tensor];
    const scale = scales.get(result) as Ratio;
    const halo = Math.max(...Object.values(node.outputs).map((tensor) => halos.get(tensor) ?? 0));
    for (const [tensor, rule] of mapsOf(node)) {
      const own = multiply(scale, [rule.scale[1], rule.scale[0]]);
      const known = scales.get(tensor);
      if (known && known.join() !== own.join())
        throw new GraphError(`${tensor.name} is read at two scales in one stage`, "Report this graph");
      scales.set(tensor, own);
      halos.set(tensor, Math.max(halos.get(tensor) ?? 0, halo + (rule.reach * own[1]) / own[0]));
      if (!tensor.node || !inside.has(tensor.node)) sources.add(tensor);
    }
  }
  const grid = [...scales.values()].map(([p, q]) => (q * ALIGNMENT) / gcd(ALIGNMENT, p)).reduce(lcm, 1);
  const halo = grid * Math.ceil(Math.max(0, ...halos.values()) / grid);
  return { end, nodes, sources: [...sources], scales, halo, grid };
}

/** Rows or columns [start, end) of a map. */
export type Range = readonly [start: number, end: number];

/** The windows of a stage's outputs that its tiles of `tile` pixels along an axis of `full` need: all but the last have one size. */
export function windowOf({ halo, grid }: Stage, [start, end]: Range, tile: number, full: number): Range {
  const size = grid * Math.ceil(tile / grid) + 2 * halo;
  if (size >= full) return [0, full];
  const first = Math.max(0, grid * Math.floor((start - halo) / grid));
  return [first, Math.min(full, Math.max(first + size, end))];
}

/** The part of `tensor` that belongs to a window of the outputs, whose size along the axis is `full`. */
export function rangeIn(stage: Stage, tensor: Tensor, axis: 0 | 1, [start, end]: Range, full: number): Range {
  const [p, q] = stage.scales.get(tensor) as Ratio;
  return [(start * p) / q, end === full ? (sizeOf(tensor)[axis] as number) : (end * p) / q];
}
