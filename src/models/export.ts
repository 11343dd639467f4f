/** A trained network as a file of its own: its weights for other programs, or with ONNX all that it computes. */
import { writeFileAtomic } from "../files/atomic.js";
import { writeStateDict } from "../files/pytorch.js";
import { writeSafetensors } from "../files/safetensors.js";
import { FileTensor } from "../formats/tensor.js";
import { ShapeError } from "../gpu/errors.js";
import { input, trace } from "../graph/trace/graph.js";
import { SCALE } from "../image/pairs.js";
import { onnxBytes } from "../onnx/export.js";
import { readNetwork } from "./load.js";
import { CONFIG_KEY } from "./parse.js";

/**
 * Writes the network of any file that `loadMasa` reads, under the official names: what to pass on of a training checkpoint.
 * As a PyTorch state dict where `to` ends in .pth, else as safetensors, which keeps all numbers of the network as metadata.
 * `half` rounds to 16 bits. Needs no GPU. Returns the number of parameters. Throws `CheckpointError`, `OutputError`.
 */
export async function exportMasa(from: string, to: string, half = false): Promise<number> {
  const { masa, values } = await readNetwork(from);
  const named = masa.parameters.all.map(({ name, shape }) => {
    const tensor = FileTensor.of("F32", shape, values.get(name) as Float32Array);
    return [name, half ? tensor.toHalf() : tensor] as const;
  });
  const tensors = new Map(named);
  if (to.endsWith(".pth")) await writeStateDict(to, tensors);
  else await writeSafetensors(to, tensors, [[CONFIG_KEY, JSON.stringify(masa.config)]]);
  return masa.parameters.count;
}

/** Sizes of the images that an ONNX model takes, [height, width] in pixels. */
export interface OnnxSizes {
  readonly lr: readonly [number, number];
  /** Multiples of 4. */
  readonly ref: readonly [number, number];
}

const DESCRIPTION = `MASA, reference-based super-resolution by 4. Images are BGR, float32 in [0, 1], [1, 3, height, width].
lr: the image to enlarge. ref: the reference. refDown: the reference at a quarter of its size, by Pillow's bicubic. sr: the
result, to be clamped to [0, 1].`;

/**
 * Writes the network of any file that `loadMasa` reads as an ONNX model for images of fixed sizes, weights included: inputs
 * `lr`, `ref` and `refDown`, output `sr`. Its matching takes the paper's own steps. Needs no GPU. Returns the number of
 * parameters. Throws `ShapeError` for sizes that MASA cannot cut, `CheckpointError`, `OutputError`.
 */
export async function exportOnnx(from: string, to: string, { lr, ref }: OnnxSizes): Promise<number> {
  const { masa, values } = await readNetwork(from);
  const [height, width] = ref;
  if (height % SCALE !== 0 || width % SCALE !== 0)
    throw new ShapeError("onnx", "ref", `is ${height}×${width}`, `Give multiples of ${SCALE}`);
  const { graph, result } = trace(() => {
    const inputs = {
      lr: input("lr", [1, 3, ...lr]),
      ref: input("ref", [1, 3, height, width]),
      refDown: input("refDown", [1, 3, height / SCALE, width / SCALE]),
    };
    return masa.forward(inputs, { implementation: "unfused" });
  });
  const metadata = { [CONFIG_KEY]: JSON.stringify(masa.config) };
  const outputs = { sr: result.sr };
  await writeFileAtomic(to, onnxBytes({ graph, outputs, values, description: DESCRIPTION, metadata }));
  return masa.parameters.count;
}
