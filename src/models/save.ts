/** Parameters on the GPU as a file. Whole networks are exported (export.ts), training runs write checkpoints (checkpoint.ts). */
import { writeSafetensors } from "../files/safetensors.js";
import { FileTensor } from "../formats/tensor.js";
import type { Parameters } from "../graph/trace/parameters.js";

/** Writes all variables as float32 safetensors under their official names. The file is complete or absent. */
export async function saveParameters(parameters: Parameters, path: string): Promise<void> {
  const tensors = new Map<string, FileTensor>();
  for (const variable of parameters.all)
    tensors.set(variable.name, FileTensor.of("F32", variable.shape, await parameters.read(variable)));
  await writeSafetensors(path, tensors);
}
