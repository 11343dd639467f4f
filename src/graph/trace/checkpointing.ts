/**
 * Recomputation of activations (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", section 4).
 *
 * A gradient reads the inputs and outputs of its operation, and so these live from the forward pass to the backward one.
 * Of a segment (`recomputed` in tensor.ts) only what others use lives that long: just before `grad` walks back through it,
 * its nodes are recorded once more, and its gradients read the second results. The memory plan does the rest: the first
 * ones end with the forward pass, and a second one that nobody reads is never computed. The operations and their inputs
 * are the same and sums have a fixed order, so the bits are the same.
 */
import { storage } from "../plan/layout.js";
import {
  currentGraph,
  type Graph,
  GraphError,
  type Node,
  noGrad,
  record,
  scope,
  type Tensor,
  Variable,
} from "./tensor.js";

/** The second results of one backward walk over `nodes`. */
export class Recomputation {
  readonly #graph: Graph = currentGraph("grad");
  readonly #again = new Map<Tensor, Tensor>();
  readonly #done = new Set<symbol>();
  /** What the walk has read so far is in memory anyway. `#read` covers the graph's nodes up to `#seen`. */
  readonly #read = new Set<unknown>();
  #seen = this.#graph.nodes.length;

  constructor(readonly nodes: readonly Node[]) {}

  /** Records the segment of `node` again, the first time the walk comes to it. */
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
      for (const input of inputs) if (input) this.#read.add(storage(input));
    this.#seen = this.#graph.nodes.length;
  }

  #repeat(node: Node): void {
    const { operation, attributes, outputs } = node;
    const lost = outputs.filter((output) => !this.#read.has(storage(output)));
    if (lost.length === 0) return;
    checkVersions(node);
    const inputs = node.inputs.map((input) => input && this.current(input));
    const again = () => record(operation, inputs, attributes);
    const name = node.scope ? `again.${node.scope}` : "again";
    const results = scope(name, () => (node.noGrad ? noGrad(again) : again()));
    for (const output of lost) this.#again.set(output, results[outputs.indexOf(output)] as Tensor);
  }
}

/** Throws `GraphError` where a variable that `node` reads was overwritten since. */
export function checkVersions({ operation, inputs, versions, updates }: Node): void {
  for (const [i, input] of inputs.entries()) {
    // What the node itself overwrote (running statistics) its own gradient does not read.
    if (input instanceof Variable && input.version !== versions[i] && !updates.includes(input))
      throw new GraphError(
        `${input.name} was updated in place after ${operation.name} used it`,
        "Call grad() before the update",
      );
  }
}
