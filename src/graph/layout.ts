/**
 * The memory plan: which buffer each tensor of a dispatch list lives in.
 *
 * A temporary tensor lives from the first dispatch that binds it to the last. Walking through the list, a tensor takes
 * the smallest free buffer that holds it; where none does, the largest free one grows (nothing is allocated yet); where
 * none is free, there is one more. The sum of the sizes is known before any GPU memory is taken.
 */
import { type Binding, type Dispatch, elements, isSlice, type Operand } from "../kernels/kernel.js";
import { GraphError, Tensor } from "./tensor.js";

/** Where a tensor's bytes are: views share those of the tensor that they view. */
export function storage(operand: Operand): Operand {
  let tensor = operand;
  while (tensor instanceof Tensor && tensor.node && !tensor.node.operation.kernel) {
    const viewed = tensor.node.inputs[0];
    if (!viewed) throw new GraphError(`${tensor.name} is a view of nothing`, "Give the operation a kernel");
    tensor = viewed;
  }
  return tensor;
}

export function operandOf(binding: Binding): Operand {
  return isSlice(binding) ? binding.operand : binding;
}

export function byteSize(operand: Operand): number {
  return 4 * elements(operand.shape);
}

export interface Slot {
  bytes: number;
  /** The first tensor that needed this size: the name to blame when memory is short. */
  label: string;
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
  const first = new Map<Operand, number>();
  const last = new Map<Operand, number>();
  for (const [i, { bindings }] of dispatches.entries()) {
    for (const binding of Object.values(bindings)) {
      const operand = storage(operandOf(binding));
      if (persistent(operand)) continue;
      if (!first.has(operand)) first.set(operand, i);
      last.set(operand, kept.has(operand) ? Number.POSITIVE_INFINITY : i);
    }
  }
  const starting = inverse(first);
  const ending = inverse(last);
  const slots: Slot[] = [];
  const free: Slot[] = [];
  const slotOf = new Map<Operand, Slot>();
  for (let i = 0; i < dispatches.length; i++) {
    for (const operand of starting.get(i) ?? []) slotOf.set(operand, take(operand, free, slots));
    for (const operand of ending.get(i) ?? []) free.push(slotOf.get(operand) as Slot);
  }
  return { slots, slotOf };
}

function inverse(times: ReadonlyMap<Operand, number>): Map<number, Operand[]> {
  const byTime = new Map<number, Operand[]>();
  for (const [operand, time] of times) byTime.set(time, [...(byTime.get(time) ?? []), operand]);
  return byTime;
}

function take(operand: Operand, free: Slot[], slots: Slot[]): Slot {
  const bytes = byteSize(operand);
  free.sort((a, b) => a.bytes - b.bytes);
  const fitting = free.findIndex((slot) => slot.bytes >= bytes);
  const [slot] = fitting >= 0 ? free.splice(fitting, 1) : free.splice(-1, 1);
  if (!slot) {
    const fresh = { bytes, label: operand.name };
    slots.push(fresh);
    return fresh;
  }
  if (slot.bytes < bytes) Object.assign(slot, { bytes, label: operand.name });
  return slot;
}
