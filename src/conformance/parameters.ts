/** The parameters of networks, as a case describes them. */
import type { Device } from "../gpu/device.js";
import type { Parameters } from "../graph/trace/parameters.js";
import { ManifestError } from "./entry.js";
import { fill } from "./formula.js";
import type { ParameterFormula } from "./manifest.js";

/** Not a tensor here: it counts batches and is only needed for another averaging than the official one. */
const COUNTER = /num_batches_tracked$/;

/**
 * Takes room for `parameters` on the device and fills them; buffers start as the network has them. Throws
 * `ManifestError` where the names, their order or the shapes are not those of the network.
 */
export async function fillParameters(device: Device, parameters: Parameters, list: readonly ParameterFormula[]) {
  const wanted = list.filter(({ name }) => !COUNTER.test(name));
  const describe = ({ name, shape }: { name: string; shape: readonly number[] }) => `${name} [${shape}]`;
  for (let i = 0; i < Math.max(wanted.length, parameters.all.length); i++) {
    const [ours, theirs] = [parameters.all[i], wanted[i]].map((one) => (one ? describe(one) : "nothing"));
    if (ours !== theirs)
      throw new ManifestError(`parameter ${i} is ${ours} in the network, ${theirs} in the manifest`, "Correct either");
  }
  await parameters.allocate(device);
  for (const [i, { scale, offset, seed, shape }] of wanted.entries()) {
    if (scale === undefined) continue;
    const count = shape.reduce((product, side) => product * side, 1);
    parameters.write(parameters.all[i]!, fill({ seed, scale, offset }, count) as Float32Array);
  }
}

/** The values of all parameters, by name. */
export async function readAll(parameters: Parameters): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const variable of parameters.all) values.set(variable.name, await parameters.read(variable));
  return values;
}

/** after − before, in float64. */
export function difference(after?: Float32Array, before?: Float32Array): Float64Array | undefined {
  return after && before && Float64Array.from(after, (value, i) => value - before[i]!);
}
