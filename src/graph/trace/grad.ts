/** Reverse-mode differentiation: appends the gradient nodes to the graph being traced. */
import { ShapeError } from "../../gpu/errors.js";
import { add, fill } from "../ops/pointwise.js";
import { checkVersions, Recomputation } from "./checkpointing.js";
import { gradientOf, scope } from "./graph.js";
import { GraphError, mapInputs, type Node, Tensor, tensorsOf } from "./tensor.js";

/**
 * The gradients of Σᵢ ⟨ysᵢ, upstreamsᵢ⟩ with respect to `wrt`, in its order.
 *
 * Without `upstreams` each of `ys` must hold one value (a loss) and counts once. A tensor used several times gets the
 * sum of its gradients, added in reverse order of use, so that reruns agree to the bit. A tensor in `wrt` that `ys`
 * do not depend on gets zeros. The activations of checkpointed segments are computed again first.
 *
 * `grad` may be applied to its own results where only pointwise operations, reductions and matrix products lie between:
 * their gradients are made of operations that have gradients. Those of other operations are kernels without one.
 *
 * Throws `GraphError`, naming the operation, where one has no gradient or no second-order gradient, and where the
 * gradient needs a variable that was updated in place since.
 */
export function grad(ys: Tensor | readonly Tensor[], wrt: readonly Tensor[], upstreams?: readonly Tensor[]): Tensor[] {
  const outputs = ys instanceof Tensor ? [ys] : ys;
  const gradients = new Map<Tensor, Tensor>();
  for (const [i, y] of outputs.entries()) accumulate(gradients, y, upstreams ? checked(y, upstreams[i]) : one(y));
  const nodes = nodesBelow(outputs);
  const needed = dependents(nodes, wrt);
  const recomputation = new Recomputation(nodes);
  for (const node of nodes.toReversed()) {
    if (!Object.values(node.outputs).some((output) => needed.has(output) && gradients.has(output))) continue;
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

/** The nodes that compute `outputs`, in recorded order. */
function nodesBelow(outputs: readonly Tensor[]): Node[] {
  const found = new Set<Node>();
  const stack = outputs.flatMap((output) => output.node ?? []);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    for (const input of tensorsOf(node.inputs)) if (input.node) stack.push(input.node);
  }
  return [...found].sort((a, b) => a.order - b.order);
}

/** The tensors through which `wrt` reaches the outputs of `nodes` (in recorded order). */
function dependents(nodes: readonly Node[], wrt: readonly Tensor[]): Set<Tensor> {
  const needed = new Set(wrt);
  for (const node of nodes) {
    if (node.noGrad || !tensorsOf(node.inputs).some((input) => needed.has(input))) continue;
    const outputs = Object.values(node.outputs);
    const half = outputs.find(({ dtype }) => dtype === "f16");
    if (half)
      throw new GraphError(`${half.name} is stored in 16 bits: no gradient flows through it`, "Train with 32 bits");
    for (const output of outputs) if (output.dtype === "f32") needed.add(output);
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
  if (node.noGrad || !tensorsOf(inputs).some((input) => needed.has(input))) return;
  if (!operation.gradient) throw withoutGradient(node);
  checkVersions(node);
  recomputation.enter(node);
  const dys: Record<string, Tensor> = {};
  for (const [name, output] of Object.entries(outputs)) {
    const dy = gradients.get(output);
    if (dy) dys[name] = dy;
  }
  const context = {
    inputs: mapInputs(inputs, (input) => recomputation.current(input)),
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, y]) => [name, recomputation.current(y)])),
    attributes,
    dys,
    needs(name: string, i = 0) {
      const input = listOf(inputs[name])[i];
      return input !== undefined && needed.has(input);
    },
  };
  const record = () => gradientOf(operation.name, () => operation.gradient?.(context) ?? {});
  // Profiles and messages report whose gradient it is.
  const dxs = node.scope ? scope(node.scope, record) : record();
  for (const [name, given] of Object.entries(inputs)) {
    const list = listOf(dxs[name]);
    for (const [i, input] of listOf(given).entries()) {
      const dx = list[i];
      if (!input || !dx || !needed.has(input)) continue;
      if (dx.shape.join() !== input.shape.join())
        throw new GraphError(
          `the gradient of ${operation.name} for ${name} has shape [${dx.shape}], not [${input.shape}]`,
          "Correct the operation's gradient",
        );
      accumulate(gradients, input, dx);
    }
  }
}

function withoutGradient({ operation, scope, gradientOf: first }: Node): GraphError {
  const where = scope && ` in ${scope}`;
  if (first !== undefined && first !== operation.name)
    return new GraphError(
      `${first}${where} has no second-order gradient: ${operation.name} cannot be differentiated`,
      "Second-order gradients exist for pointwise operations, reductions and matrix products only",
    );
  return new GraphError(
    `operation ${operation.name}${where} has no gradient`,
    "Wrap it in noGrad() if none should flow through it",
  );
}

/** The tensors of one input. */
function listOf<T extends Tensor | undefined>(given: T | readonly T[]): readonly T[] {
  return given instanceof Tensor || given === undefined ? [given as T] : (given as readonly T[]);
}
