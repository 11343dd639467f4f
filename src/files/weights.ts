/** Weights from any file people keep them in. */
import { CheckpointError } from "../formats/errors.js";
import type { FileTensor } from "../formats/tensor.js";
import { parseWeights } from "../formats/weights.js";
import { readBytes } from "./read.js";

/**
 * Reads .pth (both formats) or .safetensors, told apart by content. Looks inside the usual wrappers and strips
 * `module.` from the names. Throws `CheckpointError`.
 */
export async function readWeights(path: string): Promise<Map<string, FileTensor>> {
  return parseWeights(await readBytes(path, CheckpointError), path);
}
