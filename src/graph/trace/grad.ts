/** Reverse-mode differentiation: appends the gradient nodes to the graph being traced. */
import { ShapeError } from "../../gpu/errors.js";
import { add, fill } from "../ops/pointwise.js";
import { checkVersions, Recomputation } from "./checkpointing.js";
import { GraphError, type Node, scope, Tensor } from "./tensor.js";

/**
 * The gradients of Σᵢ ⟨ysᵢ, upstreamsᵢ⟩ with respect to `wrt`, in its order.
 *
 * Without `upstreams` each of `ys` must hold one value (a loss) and counts once. A tensor used several times gets the
 * sum of its gradients, added in reverse order of use, so that reruns agree to the bit. A tensor in `wrt` that `ys`
 * do not depend on gets zeros. What was recorded in `recomputed` is computed again first. Throws `GraphError` for an
 * operation without a gradient, and where the gradient needs a variable that was updated in place since.
 */
export function grad(ys: Tensor | readonly Tensor[], wrt: readonly Tensor[], upstreams?: readonly Tensor[]): Tensor[] {
  const outputs = ys instanceof Tensor ? [ys] : ys;
  const gradients = new Map<Tensor, Tensor>();
  for (const [i, y] of outputs.entries()) accumulate(gradients, y, upstreams ? checked(y, upstreams[i]) : one(y));
  const nodes = nodesBelow(outputs);
  const needed = dependents(nodes, wrt);
  const recomputation = new Recomputation(nodes);
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output) && gradients.has(output))) continue;
    backward(node, gradients, needed, recomputation);
  }
  return wrt.map((tensor) => gradients.get(tensor) ?? fill(tensor.shape, 0));
}

function one(y: Tensor): Tensor {
  if (y.size !== 1)
    throw new ShapeError("grad", y.name, `has shape [${y.shape}]; without upstream gradients it must hold one value`);
  return fill(y.shape, 1);
}

function checked(y: Tensor, upstream: Tensor | undefined): Tensor {
  if (upstream?.shape.join() !== y.shape.join())
    throw new ShapeError("grad", `upstream of ${y.name}`, `has shape [${upstream?.shape}], not [${y.shape}]`);
  return upstream;
}

function accumulate(gradients: Map<Tensor, Tensor>, tensor: Tensor, gradient: Tensor): void {
  const sum = gradients.get(tensor);
  gradients.set(tensor, sum ? add(sum, gradient) : gradient);
}

/** The nodes that `outputs` are computed by, in recorded order. */
function nodesBelow(outputs: readonly Tensor[]): Node[] {
  const found = new Set<Node>();
  const stack = outputs.flatMap((output) => output.node ?? []);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    for (const input of node.inputs) if (input?.node) stack.push(input.node);
  }
  return [...found].sort((a, b) => a.order - b.order);
}

/** The tensors through which `wrt` reaches the outputs of `nodes` (in recorded order). */
function dependents(nodes: readonly Node[], wrt: readonly Tensor[]): Set<Tensor> {
  const needed = new Set(wrt);
  for (const node of nodes) {
    if (node.noGrad || !node.inputs.some((input) => input && needed.has(input))) continue;
    const half = node.outputs.find(({ dtype }) => dtype === "f16");
    if (half)
      throw new GraphError(`${half.name} is stored in 16 bits: no gradient flows through it`, "Train with 32 bits");
    for (const output of node.outputs) if (output.dtype === "f32") needed.add(output);
  }
  return needed;
}

function backward(
  node: Node,
  gradients: Map<Tensor, Tensor>,
  needed: ReadonlySet<Tensor>,
  recomputation: Recomputation,
): void {
  const { operation, inputs, outputs, attributes } = node;
  if (node.noGrad || !inputs.some((input) => input && needed.has(input))) return;
  if (!operation.gradient)
    throw new GraphError(
      `operation ${operation.name}${node.scope && ` in ${node.scope}`} has no gradient`,
      "Wrap it in noGrad() if none should flow through it",
    );
  checkVersions(node);
  recomputation.enter(node);
  const dys = outputs.map((output) => gradients.get(output));
  const needs = (i: number) => inputs[i] !== undefined && needed.has(inputs[i]);
  const context = {
    inputs: inputs.map((input) => input && recomputation.current(input)),
    outputs: outputs.map((output) => recomputation.current(output)),
    attributes,
    dys,
    needs,
  };
  const record = () => operation.gradient?.(context) ?? [];
  // Profiles and messages tell whose gradient it is.
  const dxs = node.scope ? scope(node.scope, record) : record();
  for (const [i, input] of inputs.entries()) {
    const dx = dxs[i];
    if (!input || !dx || !needed.has(input)) continue;
    if (dx.shape.join() !== input.shape.join())
      throw new GraphError(
        `the gradient of ${operation.name} for input ${i} has shape [${dx.shape}], not [${input.shape}]`,
        "Correct the operation's gradient",
      );
    accumulate(gradients, input, dx);
  }
}
