/**
 * node weights/training/pack.mjs CHECKPOINT OUT: a training checkpoint at less than half its size, which `masa train --resume` reads as
 * it is. Weights and their EMA are stored as F16 and Adam's second moments as BF16, which has the range that they need. The
 * first moments become 0: with β₁ = 0.9 they are rebuilt within 20 steps.
 */

import { elementCount, FileTensor } from "../../dist/src/formats/tensor.js";
import { readCheckpoint, writeCheckpoint } from "../../dist/src/models/checkpoint.js";

const [source, target] = process.argv.slice(2);
if (!source || !target) throw new Error("usage: node weights/training/pack.mjs CHECKPOINT OUT");

const { tensors, state } = await readCheckpoint(source);
const packed = new Map();
for (const [name, tensor] of tensors) packed.set(name, pack(name, tensor));
await writeCheckpoint(target, { tensors: packed, state });
console.log(`${target}: step ${state.step}, ${packed.size} tensors`);

function pack(name, tensor) {
  if (name.endsWith("/exp_avg")) return FileTensor.of("I8", tensor.shape, new Int8Array(elementCount(tensor.shape)));
  if (name.endsWith("/exp_avg_sq")) return toBfloat16(tensor);
  return tensor.toHalf();
}

/** Rounded to the nearest, upwards in the middle: second moments are not negative. */
function toBfloat16(tensor) {
  const bits = new Uint32Array(Float32Array.from(tensor.toFloat32()).buffer);
  return FileTensor.of(
    "BF16",
    tensor.shape,
    Uint16Array.from(bits, (word) => (word + 0x8000) >>> 16),
  );
}
