/** Safetensors as files. */
import { CheckpointError } from "../formats/errors.js";
import { parseSafetensors, type Safetensors, safetensorsBytes } from "../formats/safetensors.js";
import type { FileTensor } from "../formats/tensor.js";
import { writeFileAtomic } from "./atomic.js";
import { readBytes } from "./read.js";

/** Reads a .safetensors file. The tensors are views of its bytes. Throws `CheckpointError`. */
export async function readSafetensors(path: string): Promise<Safetensors> {
  return parseSafetensors(await readBytes(path, CheckpointError), path);
}

/**
 * Writes tensors in one step (see `writeFileAtomic`), as `safetensorsBytes` orders them. Throws `OutputError`, and
 * `CheckpointError` for a tensor whose name the format keeps for itself.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, FileTensor>,
  metadata?: Iterable<readonly [string, string]>,
): Promise<void> {
  await writeFileAtomic(path, safetensorsBytes(tensors, metadata));
}
