/** What dispatches compute and move, from what kernels declare and bind. */
import { byteSize, type Dispatch } from "../kernels/kernel.js";

export interface Work {
  readonly dispatches: number;
  /** Operations that the results take, a multiply-add as two, and those that the kernels do for them. */
  readonly flops: number;
  readonly executed: number;
  /** Of each tensor that a dispatch reads or writes, once. */
  readonly bytes: number;
}

export const NOTHING: Work = { dispatches: 0, flops: 0, executed: 0, bytes: 0 };

export function workOf({ flops = 0, executed = flops, bindings }: Dispatch): Work {
  // A kernel that lacks an optional operand binds another one in its place.
  const bytes = [...new Set(Object.values(bindings))].reduce((sum, operand) => sum + byteSize(operand), 0);
  return { dispatches: 1, flops, executed, bytes };
}

export function addWork(a: Work, b: Work): Work {
  return {
    dispatches: a.dispatches + b.dispatches,
    flops: a.flops + b.flops,
    executed: a.executed + b.executed,
    bytes: a.bytes + b.bytes,
  };
}
