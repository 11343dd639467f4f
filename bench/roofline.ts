/**
 * The roofline (Williams, Waterman, Patterson 2009): what an adapter can attain at most, given how much arithmetic a
 * kernel does on each byte that it must move. Both roofs are measured by kernels of ours, in the same rounds as the rest.
 */
import type { Device } from "../src/gpu/device.js";
import { record } from "../src/graph/trace/graph.js";
import type { Operation, Tensors } from "../src/graph/trace/tensor.js";
import { flatGrid } from "../src/kernels/kernel.js";
import { bytesOf, type Case, label } from "./case.js";
import { worstError } from "./oracle.js";

/** Multiply-adds of an iteration in roofline_multiply_add.wgsl. */
const MULTIPLY_ADDS = 64;
const ITERATIONS = 1000;
/** Names of the cases begin with it. */
export const ROOFLINE = "roofline";

/** The cases that measure the roofs: arithmetic twice, since what `fma()` becomes depends on the driver, and a copy. */
export function rooflineCases({ info, limits }: Device): Case[] {
  // A CPU is busy for some milliseconds with less.
  const threads = info.software ? 1 << 14 : 1 << 18;
  const bytes = Math.min(info.software ? 1 << 25 : 1 << 27, limits.maxStorageBufferBindingSize);
  return [multiplyAdds(threads, false), multiplyAdds(threads, true), copy(bytes / 4)];
}

function multiplyAdds(threads: number, fused: boolean): Case {
  return {
    name: `${ROOFLINE} ${fused ? "fused multiply-add" : "multiply-add"} ${label([threads])}`,
    flops: 2 * MULTIPLY_ADDS * ITERATIONS * threads,
    bytes: bytesOf([threads], [threads]),
    inputs: { x: [threads] },
    build: ({ x }) => record(multiplyAdd, { x: x! }, { fused }),
    // Each sum has long forgotten its start. Errors of earlier steps are halved at each further one, so that a sum is off by
    // 4 roundings at most; adding sixteen takes 15 more.
    check: ({ x, y }, uniform) =>
      worstError(y!, uniform, (i) => {
        const value = (16 * x![i]!) / (1 - x![i]! / 2);
        return { value, bound: 19 * 2 ** -24 * Math.abs(value) };
      }),
  };
}

const multiplyAdd: Operation<Tensors<"x">, Tensors<"y">, { readonly fused: boolean }> = {
  name: "roofline_multiply_add",
  outputs: ({ x: { shape } }) => ({ y: { shape } }),
  kernel(recorder, { x }, { y }, { fused }) {
    const count = x.shape[0]!;
    recorder.dispatch({
      shader: "bench/roofline_multiply_add",
      constants: { FUSED: fused },
      params: { count, iterations: ITERATIONS },
      bindings: { x, y },
      workgroups: flatGrid(count),
    });
  },
};

function copy(count: number): Case {
  return {
    name: `${ROOFLINE} copy ${label([count])}`,
    flops: 0,
    bytes: bytesOf([count], [count]),
    inputs: { x: [count] },
    build: ({ x }) => record(copyOperation, { x: x! }),
    check: ({ x, y }, uniform) => worstError(y!, uniform, (i) => ({ value: x![i]!, bound: 0 })),
  };
}

const copyOperation: Operation<Tensors<"x">, Tensors<"y">> = {
  name: "roofline_copy",
  outputs: ({ x: { shape } }) => ({ y: { shape } }),
  kernel(recorder, { x }, { y }) {
    const count = x.shape[0]! / 4;
    const bindings = { x, y };
    recorder.dispatch({ shader: "bench/roofline_copy", params: { count }, bindings, workgroups: flatGrid(count) });
  },
};

/** The roofs of an adapter. */
export interface Roofline {
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** The least milliseconds that `flops` and `bytes` take below these roofs, and which of the two it is that bounds them. */
export function leastTime({ flops, bytes }: Pick<Case, "flops" | "bytes">, roofs: Roofline) {
  const arithmetic = (1e3 * flops) / roofs.flopsPerSecond;
  const memory = (1e3 * bytes) / roofs.bytesPerSecond;
  return {
    ms: Math.max(arithmetic, memory),
    bound: memory > arithmetic ? ("memory" as const) : ("arithmetic" as const),
  };
}
