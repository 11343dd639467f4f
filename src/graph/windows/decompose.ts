/** A graph in operations that are local, small, or matching: what the stages of a windowed plan are cut out of. */
import type { FloatStorage } from "../../kernels/kernel.js";
import { cast, type Graph, input, recordNode, scope, storedAs, trace } from "../trace/graph.js";
import { mapInputs, type Node, type Tensor } from "../trace/tensor.js";

/** Records `graph` again, with the parts of every operation that can be decomposed; `result` stands for `results`. */
export function decompose<Out extends string>(graph: Graph, results: Readonly<Record<Out, Tensor>>) {
  return trace(() => {
    const known = new Map<Tensor, Tensor>(graph.inputs.map((tensor) => [tensor, input(tensor.name, tensor.shape)]));
    const now = (tensor: Tensor) => known.get(tensor) ?? tensor;
    for (const node of graph.nodes) {
      const inputs = mapInputs(node.inputs, now);
      const outputs = recordLike(
        node,
        () =>
          node.operation.decompose?.(inputs, node.attributes) ?? recordNode(node.operation, inputs, node.attributes),
      );
      for (const [name, tensor] of Object.entries(node.outputs)) known.set(tensor, outputs[name] as Tensor);
    }
    const entries = Object.entries<Tensor>(results).map(([name, tensor]) => [name, now(tensor)]);
    return Object.fromEntries(entries) as Record<Out, Tensor>;
  });
}

/** Records in the scope of `node`, and stores as its outputs are stored. */
export function recordLike<T>({ scope: name, outputs }: Node, build: () => T): T {
  const type: FloatStorage = Object.values(outputs).some(({ dtype }) => dtype === "f16") ? "f16" : "f32";
  return scope(name, () => storedAs(type, build));
}

/** A value from the host, which is f32, as the graph stores it. */
export function asStored({ dtype }: Tensor, given: Tensor): Tensor {
  return dtype === "f16" ? cast(given, "f16") : given;
}
