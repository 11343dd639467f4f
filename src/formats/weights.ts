/** Weights of a network in any format people keep them in, and the comparison with what the network needs. */
import { CheckpointError } from "./errors.js";
import type { CheckpointValue } from "./pickle.js";
import { isCheckpoint, parseCheckpoint } from "./pytorch.js";
import { isSafetensors, parseSafetensors } from "./safetensors.js";
import { FileTensor } from "./tensor.js";

/** Keys under which training programs keep the weights inside a larger checkpoint. */
const WRAPPERS = ["state_dict", "params_ema", "params", "model"];
/** What `torch.nn.DataParallel` puts before each name. */
const PARALLEL_PREFIX = "module.";
/** Names listed per kind of mismatch. */
const LISTED = 5;

/**
 * The tensors of a .pth (both formats) or .safetensors file, told apart by content. Looks inside the usual wrappers and
 * strips `module.` from the names. `path` is what errors call the file. Throws `CheckpointError`.
 */
export function parseWeights(bytes: Uint8Array, path: string): Map<string, FileTensor> {
  if (isCheckpoint(bytes)) return stripPrefix(stateDict(parseCheckpoint(bytes, path), path), path);
  if (isSafetensors(bytes)) return stripPrefix(parseSafetensors(bytes, path).tensors, path);
  throw new CheckpointError(
    `${path} is no file of weights: it begins neither as a PyTorch checkpoint nor as safetensors`,
    "Give a .pth or .safetensors file; if it was downloaded, check that it is not a web page",
  );
}

export interface Mismatch {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly misshaped: readonly {
    readonly name: string;
    readonly file: readonly number[];
    readonly network: readonly number[];
  }[];
}

/** Weights of another network: all differences, the first few of each kind in the message. */
export class WeightMismatchError extends CheckpointError implements Mismatch {
  override readonly name = "WeightMismatchError";
  readonly missing: Mismatch["missing"];
  readonly unexpected: Mismatch["unexpected"];
  readonly misshaped: Mismatch["misshaped"];

  constructor(file: string, { missing, unexpected, misshaped }: Mismatch) {
    const shapes = misshaped.map((m) => `${m.name}: file [${m.file}], network [${m.network}]`);
    const parts = [
      list(missing, "tensor is missing", "tensors are missing"),
      list(unexpected, "is unexpected", "are unexpected"),
      list(shapes, "has another shape", "have another shape"),
    ];
    super(
      `weights ${file} do not fit this network: ${parts.filter((part) => part !== "").join(", ")}`,
      "Give the weights of this network, or configure the network as it was trained (the same number of channels and the same ablations)",
    );
    this.missing = missing;
    this.unexpected = unexpected;
    this.misshaped = misshaped;
  }
}

/** Throws one `WeightMismatchError` that names every tensor of `found` that does not fit; `file` is what it calls the weights. */
export function matchWeights(
  expected: Iterable<{ readonly name: string; readonly shape: readonly number[] }>,
  found: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  file: string,
): void {
  const unexpected = new Set(found.keys());
  const missing: string[] = [];
  const misshaped: Mismatch["misshaped"][number][] = [];
  for (const { name, shape } of expected) {
    unexpected.delete(name);
    const tensor = found.get(name);
    if (tensor === undefined) missing.push(name);
    else if (tensor.shape.join() !== shape.join()) misshaped.push({ name, file: tensor.shape, network: shape });
  }
  if (missing.length + unexpected.size + misshaped.length > 0) {
    throw new WeightMismatchError(file, { missing, unexpected: [...unexpected], misshaped });
  }
}

/** The dictionary of tensors that a checkpoint is, or has under one of the wrapping keys. */
function stateDict(value: CheckpointValue, path: string): Map<string, FileTensor> {
  let dictionary = value;
  for (const key of WRAPPERS) {
    const inner = dictionary instanceof Map ? dictionary.get(key) : undefined;
    if (inner instanceof Map) dictionary = inner;
  }
  if (!(dictionary instanceof Map)) throw notWeights(path, "it holds no dictionary");
  const tensors = new Map<string, FileTensor>();
  for (const [key, tensor] of dictionary) {
    if (typeof key !== "string" || !(tensor instanceof FileTensor))
      throw notWeights(path, `${JSON.stringify(key)} in it is no tensor`);
    tensors.set(key, tensor);
  }
  return tensors;
}

function notWeights(path: string, problem: string): CheckpointError {
  return new CheckpointError(
    `${path} holds no weights: ${problem}`,
    "In Python, save only the tensors: torch.save(model.state_dict(), path)",
  );
}

function stripPrefix(tensors: ReadonlyMap<string, FileTensor>, path: string): Map<string, FileTensor> {
  const stripped = new Map<string, FileTensor>();
  for (const [name, tensor] of tensors) {
    const short = name.startsWith(PARALLEL_PREFIX) ? name.slice(PARALLEL_PREFIX.length) : name;
    if (stripped.has(short)) throw notWeights(path, `it has ${short} with and without '${PARALLEL_PREFIX}'`);
    stripped.set(short, tensor);
  }
  return stripped;
}

/** "3 tensors are missing (a, b, c)"; longer lists are cut. */
function list(items: readonly string[], one: string, many: string): string {
  if (items.length === 0) return "";
  const rest = items.length > LISTED ? ` and ${items.length - LISTED} more` : "";
  return `${items.length} ${items.length === 1 ? one : many} (${items.slice(0, LISTED).join("; ")}${rest})`;
}
