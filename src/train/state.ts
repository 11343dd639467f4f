/** Variables on the GPU as the named tensors of a checkpoint, and back. */
import { CheckpointError } from "../files/errors.js";
import { FileTensor } from "../formats/tensor.js";
import type { Parameters } from "../graph/trace/parameters.js";

/** Variables whose names in a checkpoint begin with `prefix`. */
export interface StatePart {
  readonly prefix: string;
  readonly parameters: Parameters;
}

/** Tensors read at once: few, since each takes a buffer for it. */
const READ_AT_ONCE = 16;
/** Faults that a message names. */
const NAMED = 5;

export async function readState(parts: readonly StatePart[]): Promise<Map<string, FileTensor>> {
  const tensors = new Map<string, FileTensor>();
  for (const { prefix, parameters } of parts) {
    const all = parameters.all;
    for (let i = 0; i < all.length; i += READ_AT_ONCE) {
      const group = all.slice(i, i + READ_AT_ONCE);
      const values = await Promise.all(group.map((variable) => parameters.read(variable)));
      for (const [j, { name, shape }] of group.entries())
        tensors.set(prefix + name, FileTensor.of("F32", shape, values[j]!));
    }
  }
  return tensors;
}

/** Throws `CheckpointError`, listing what is missing, left over or of another shape; nothing has changed then. */
export function writeState(parts: readonly StatePart[], tensors: ReadonlyMap<string, FileTensor>, path: string): void {
  const wanted = parts.flatMap(({ prefix, parameters }) =>
    parameters.all.map((variable) => ({ name: prefix + variable.name, parameters, variable })),
  );
  const faults = wanted.flatMap(({ name, variable }) => {
    const shape = tensors.get(name)?.shape;
    if (!shape) return [`${name} is missing`];
    return shape.join() === variable.shape.join() ? [] : [`${name} is [${shape}], not [${variable.shape}]`];
  });
  const known = new Set(wanted.map(({ name }) => name));
  for (const name of tensors.keys()) if (!known.has(name)) faults.push(`${name} has no place`);
  if (faults.length > 0) {
    const more = faults.length > NAMED ? [`and ${faults.length - NAMED} more`] : [];
    throw new CheckpointError(
      `the checkpoint ${path} is of another network: ${[...faults.slice(0, NAMED), ...more].join("; ")}`,
      "Resume with the configuration that it was made with",
    );
  }
  for (const { name, parameters, variable } of wanted) parameters.write(variable, tensors.get(name)!.toFloat32());
}
