/**
 * Activation checkpointing (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", section 4).
 *
 * A gradient reads the inputs and outputs of its operation, so these live from the forward pass to the backward pass.
 * Of a checkpointed segment (`segment` in graph.ts) only what other nodes use lives that long: just before `grad` walks
 * back through the segment, its nodes are recorded once more, and its gradients read the second results. The memory plan
 * does the rest: the first results end with the forward pass, and a second one that nothing reads is never computed. The
 * operations and their inputs are the same and sums have a fixed order, so the bits are the same.
 */
import { storage } from "../plan/layout.js";
import { currentGraph, type Graph, noGrad, recordNode, scope } from "./graph.js";
import { GraphError, mapInputs, type Node, type Tensor, tensorsOf } from "./tensor.js";

/** The second results of one backward walk over `nodes`. */
export class Recomputation {
  readonly #graph: Graph = currentGraph("grad");
  readonly #again = new Map<Tensor, Tensor>();
  readonly #done = new Set<symbol>();
  /** What the walk has read so far is in memory anyway. `#read` covers the graph's nodes up to `#seen`. */
  readonly #read = new Set<unknown>();
  #seen = this.#graph.nodes.length;

  constructor(readonly nodes: readonly Node[]) {}

  /** Records the segment of `node` again, the first time the walk reaches it. */
  enter({ segment }: Node): void {
    if (!segment || this.#done.has(segment)) return;
    this.#done.add(segment);
    this.#follow();
    for (const node of this.nodes) if (node.segment === segment) this.#repeat(node);
  }

  /** The tensor that holds the value of `tensor` now. */
  current(tensor: Tensor): Tensor {
    return this.#again.get(tensor) ?? tensor;
  }

  #follow(): void {
    for (const { inputs } of this.#graph.nodes.slice(this.#seen))
      for (const input of tensorsOf(inputs)) this.#read.add(storage(input));
    this.#seen = this.#graph.nodes.length;
  }

  #repeat(node: Node): void {
    const { operation, attributes, outputs } = node;
    const lost = Object.entries(outputs).filter(([, output]) => !this.#read.has(storage(output)));
    if (lost.length === 0) return;
    checkVersions(node);
    const inputs = mapInputs(node.inputs, (input) => this.current(input));
    const again = () => recordNode(operation, inputs, attributes);
    const label = node.scope ? `again.${node.scope}` : "again";
    const results = scope(label, () => (node.noGrad ? noGrad(again) : again()));
    for (const [name, output] of lost) this.#again.set(output, results[name] as Tensor);
  }
}

/** Throws `GraphError` where a variable that `node` reads was overwritten since. */
export function checkVersions({ operation, versions, updates }: Node): void {
  for (const [variable, version] of versions) {
    // The gradient of a node does not read what the node itself overwrote (running statistics).
    if (variable.version !== version && !updates.includes(variable))
      throw new GraphError(
        `${variable.name} was updated in place after ${operation.name} used it`,
        "Call grad() before the update",
      );
  }
}
