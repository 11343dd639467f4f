/** PyTorch's checkpoints as files. */
import { CheckpointError } from "../formats/errors.js";
import type { CheckpointValue } from "../formats/pickle.js";
import { parseCheckpoint } from "../formats/pytorch.js";
import { stateDictBytes } from "../formats/state_dict.js";
import type { FileTensor } from "../formats/tensor.js";
import { writeFileAtomic } from "./atomic.js";
import { readBytes } from "./read.js";

/** Reads a .pth file: dictionaries as Maps, lists and tuples as arrays, tensors as `FileTensor`. Throws `CheckpointError`. */
export async function readCheckpoint(path: string): Promise<CheckpointValue> {
  return parseCheckpoint(await readBytes(path, CheckpointError), path);
}

/** Writes `tensors` as a .pth file, an OrderedDict of contiguous tensors on the CPU. Throws `OutputError`. */
export async function writeStateDict(path: string, tensors: ReadonlyMap<string, FileTensor>): Promise<void> {
  await writeFileAtomic(path, stateDictBytes(tensors));
}
