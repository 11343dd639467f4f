/** A checkpoint whose content follows from its step, so that a reader can tell whether it is whole. */
import { expect } from "chai";
import { FileTensor } from "../../src/formats/tensor.js";
import type { Checkpoint } from "../../src/models/checkpoint.js";
import { hash } from "../files/golden.js";

export function checkpointOf(step: number, values = 40): Checkpoint {
  const floats = Float32Array.from({ length: values }, (_, i) => hash(step, i) / 2 ** 32);
  const tensors = new Map([
    ["generator/a.weight", FileTensor.of("F32", [values / 4, 4], floats)],
    [
      "adam/a.weight.m",
      FileTensor.of(
        "F32",
        [values / 4, 4],
        floats.map((value) => -value),
      ),
    ],
    ["data/order", FileTensor.of("U8", [3], Uint8Array.of(step, 7, 0))],
    ["data/position", FileTensor.of("I32", [], Int32Array.of(step))],
    ["data/empty", FileTensor.of("F64", [0, 2], new Float64Array(0))],
  ]);
  return { tensors, state: { step, best: null, rates: [1e-4, 0.1], config: { name: "ü\u2028", deep: { on: true } } } };
}

/** Names, types, shapes, bytes and state. */
export function contentOf({ tensors, state }: Checkpoint): unknown {
  const parts = [...tensors].map(([name, { dtype, shape, data }]) => [
    name,
    [dtype, shape.join(), Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64")],
  ]);
  return { tensors: Object.fromEntries(parts) as unknown, state };
}

/** Fails unless it is `checkpointOf` its step. */
export function expectWhole(checkpoint: Checkpoint): number {
  const step = checkpoint.state.step as number;
  const values = checkpoint.tensors.get("generator/a.weight")!.data.length;
  expect(contentOf(checkpoint)).to.deep.equal(contentOf(checkpointOf(step, values)));
  return step;
}
