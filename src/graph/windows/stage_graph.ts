/** A stage as a graph of its own for one size of window. */
import { recordNode } from "../trace/graph.js";
import { Constant, mapInputs, type Node, type Tensor, tensorsOf, Variable } from "../trace/tensor.js";
import { asStored, recordLike } from "./decompose.js";
import { ruleOf, sizeOf } from "./rules.js";
import { type Range, rangeIn, type Stage, windowOf } from "./stages.js";
import type { Tiling } from "./tiles.js";

/** Rows and columns of a window of a stage's outputs. */
export type Around = readonly [rows: Range, columns: Range];

export type Tensors = Readonly<Record<string, Tensor>>;

/** The window of a stage's outputs that a tile is cut out of. */
export function windowAround(stage: Stage, { tile, size }: Tiling, rows: Range, columns: Range): Around {
  return [windowOf(stage, rows, tile[0], size[0]), windowOf(stage, columns, tile[1], size[1])];
}

/** The part of `tensor` that a window of a stage's outputs is computed from, or holds. */
export function rangesIn(stage: Stage, tensor: Tensor, [rows, columns]: Around): Around {
  const [height, width] = sizeOf(Object.values(stage.end.outputs)[0] as Tensor);
  return [rangeIn(stage, tensor, 0, rows, height), rangeIn(stage, tensor, 1, columns, width)];
}

/** Tensors that a stage uses whole: statistics. Variables and constants need no input. */
export function wholesOf({ nodes, scales }: Stage): Tensor[] {
  const read = nodes.flatMap(({ inputs }) => tensorsOf(inputs)).filter((tensor) => !scales.has(tensor));
  return [...new Set(read)].filter((tensor) => !(tensor instanceof Variable || tensor instanceof Constant));
}

/** The inputs of a stage's graph: windows of its sources `0`, `1`, …, then what it uses whole. */
export function shapesOf(stage: Stage, around: Around): Record<string, readonly number[]> {
  const maps = stage.sources.map((tensor) => {
    const [rows, columns] = rangesIn(stage, tensor, around);
    return [1, tensor.shape[1] as number, rows[1] - rows[0], columns[1] - columns[0]];
  });
  return Object.fromEntries([...maps, ...wholesOf(stage).map(({ shape }) => shape)].entries());
}

/** Records a stage for a window of its outputs. `standsFor` is given each new node with the one of the whole graph. */
export function recordStage(
  stage: Stage,
  around: Around,
  inputs: Tensors,
  standsFor: (node: Node, whole: Node) => void,
): Tensors {
  const known = new Map<Tensor, Tensor>();
  for (const [i, tensor] of [...stage.sources, ...wholesOf(stage)].entries()) {
    known.set(tensor, asStored(tensor, inputs[i] as Tensor));
  }
  let outputs: Tensors = {};
  for (const node of stage.nodes) {
    const [rows, columns] = rangesIn(stage, Object.values(node.outputs)[0] as Tensor, around);
    const size = [rows[1] - rows[0], columns[1] - columns[0]] as const;
    const attributes = ruleOf(node)?.attributes?.(size) ?? node.attributes;
    const now = mapInputs(node.inputs, (tensor) => known.get(tensor) ?? tensor);
    outputs = recordLike(node, () => recordNode(node.operation, now, attributes));
    for (const [name, tensor] of Object.entries(node.outputs)) known.set(tensor, outputs[name] as Tensor);
    standsFor((Object.values(outputs)[0] as Tensor).node as Node, node);
  }
  return outputs;
}
