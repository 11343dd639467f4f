/** What a dispatch costs the CPU: many that the GPU does at once. See the column 'encode µs'. */
import { add, scale } from "../../src/graph/ops/pointwise.js";
import { bytesOf, type Case, label, type Suite } from "../case.js";
import { worstError } from "../oracle.js";

/** About those of a training step. */
const DISPATCHES = 1200;
const SHAPE = [64];

export const encodeCases: Suite = (shapes) => (shapes ? [] : [encode()]);

function encode(): Case {
  return {
    name: `encode ${DISPATCHES} dispatches ${label(SHAPE)}`,
    flops: DISPATCHES * SHAPE[0]!,
    bytes: bytesOf(SHAPE, SHAPE),
    inputs: { x: SHAPE },
    build({ x }) {
      let y = x!;
      for (let i = 0; i < DISPATCHES; i += 2) y = add(scale(y, 0.5), x!);
      return { y };
    },
    // y ← y/2 + x goes to 2x. Half of an error is left at the next step: two roundings of 2x in all.
    check: ({ x, y }, uniform) =>
      worstError(y!, uniform, (i) => ({ value: 2 * x![i]!, bound: 2 * 2 ** -24 * Math.abs(2 * x![i]!) })),
  };
}
