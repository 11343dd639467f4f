/** What the bench measures: a case is one plan with its inputs, its least work, and a check of what it computes. */

import type { Device } from "../src/gpu/device.js";
import type { Data, InputSpec } from "../src/graph/plan/plan.js";
import type { Parameters } from "../src/graph/trace/parameters.js";
import type { Tensor } from "../src/graph/trace/tensor.js";
import type { Shape } from "../src/kernels/kernel.js";

/** Numbers in [0, 1). */
export type Uniform = () => number;
export type Arrays = Readonly<Record<string, Data>>;
export type Tensors = Readonly<Record<string, Tensor>>;

export interface Case {
  /** Operation, what of it, shape of its image tensor: `conv2d forward 64-64 [1,64,160,160]`. */
  readonly name: string;
  /** Takes long or much memory: only run when `--filter` asks for it. */
  readonly large?: boolean;
  /** Arithmetic that the result takes; a multiply-add is two. */
  readonly flops: number;
  /** Bytes that have to be moved if each operand is read, and each result written, once. */
  readonly bytes: number;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /** Fills the inputs that are named here, the others get uniform numbers in [−1, 1). */
  readonly draw?: Readonly<Record<string, (data: Data, uniform: Uniform) => void>>;
  /** Allocated before the plan is compiled, and freed with it. A network's parameters come first. */
  readonly parameters?: readonly Allocated[];
  build(inputs: Tensors): Tensors;
  /**
   * Compares a first run, inputs and outputs under their names, with the float64 reference: the largest error as a part of
   * its bound. Above 1 the results are wrong, and no time is taken.
   */
  check(data: Arrays, uniform: Uniform, device: Device): number | Promise<number>;
}

/** What takes GPU memory by itself: the parameters of a network, an optimiser. */
export type Allocated = Pick<Parameters, "allocate" | "dispose">;

/** An image tensor: N, C, H, W. */
export type Sides = readonly [N: number, C: number, H: number, W: number];

/** The cases of an operation; `shapes` replaces MASA's own where the operation takes an image tensor, else there are none. */
export type Suite = (shapes?: readonly Sides[]) => readonly Case[];

export function elements(shape: Shape): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** Bytes of tensors with these shapes, four an element. */
export function bytesOf(...shapes: readonly Shape[]): number {
  return shapes.reduce((sum, shape) => sum + 4 * elements(shape), 0);
}

export function label(shape: Shape): string {
  return `[${shape.join(",")}]`;
}
