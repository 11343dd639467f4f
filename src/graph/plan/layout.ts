/**
 * The memory plan: which buffer each tensor of a dispatch list lives in.
 *
 * A temporary tensor lives from the first dispatch that binds it to the last. The largest are placed first, each into
 * the smallest buffer that is free during its whole life, or a new one of its size: greedy by size (Pisarchyk and Lee
 * 2020, "Efficient Memory Management for Deep Neural Net Inference", section 4). So a small tensor that lives long never
 * holds a large buffer that others need. The sum of the sizes is known before any GPU memory is taken.
 */
import { byteSize, type Dispatch, type Operand } from "../../kernels/kernel.js";
import { GraphError, Tensor } from "../trace/tensor.js";

/** Where a tensor's bytes are: views share those of the tensor that they view. */
export function storage(operand: Operand): Operand {
  let tensor = operand;
  while (tensor instanceof Tensor && tensor.node && !tensor.node.operation.kernel) {
    const viewed = tensor.node.inputs.x;
    if (!(viewed instanceof Tensor))
      throw new GraphError(`${tensor.name} has no kernel and no input x`, "Give the operation a kernel");
    tensor = viewed;
  }
  return tensor;
}

export interface Slot {
  readonly bytes: number;
  /** The first tensor of this size: the name to blame when memory is short. */
  readonly label: string;
}

export interface Layout {
  readonly slots: readonly Slot[];
  /** Slot of each temporary tensor. */
  readonly slotOf: ReadonlyMap<Operand, Slot>;
}

/** Plans the temporaries of `dispatches`. Tensors in `persistent` have buffers of their own; `kept` live to the end. */
export function layOut(
  dispatches: readonly Dispatch[],
  persistent: (operand: Operand) => boolean,
  kept: ReadonlySet<Operand>,
): Layout {
  const lives = new Map<Operand, Life>();
  for (const [i, { bindings }] of dispatches.entries()) {
    for (const bound of Object.values(bindings)) {
      const operand = storage(bound);
      if (persistent(operand)) continue;
      const { first } = lives.get(operand) ?? { first: i };
      lives.set(operand, { first, last: kept.has(operand) ? Number.POSITIVE_INFINITY : i });
    }
  }
  const slots: (Slot & { readonly lives: Life[] })[] = [];
  const slotOf = new Map<Operand, Slot>();
  // The sort is stable: of one size, in order of first use.
  for (const [operand, life] of [...lives].sort(([a], [b]) => byteSize(b) - byteSize(a))) {
    let slot = slots.findLast((candidate) => candidate.lives.every((other) => apart(life, other)));
    if (!slot) {
      slot = { bytes: byteSize(operand), label: operand.name, lives: [] };
      slots.push(slot);
    }
    slot.lives.push(life);
    slotOf.set(operand, slot);
  }
  return { slots, slotOf };
}

/** The first and the last dispatch that binds a tensor. */
interface Life {
  readonly first: number;
  readonly last: number;
}

function apart(a: Life, b: Life): boolean {
  return a.last < b.first || b.last < a.first;
}
