/** Names that variants had in earlier versions, as checkpoints record them. */

const CONVOLUTION = {
  plain: "direct",
  strips: "subgroup/8",
  "tiles 64×64": "implicit-gemm/64x64",
  "tiles 256×64": "implicit-gemm/256x64",
  "tiles 128×32": "implicit-gemm/128x32",
  "tiles 256×16": "implicit-gemm/256x16",
  winograd: "winograd/4x4",
};
const WEIGHT_GRADIENT = { plain: "direct", strips: "subgroup", tiles: "implicit-gemm", winograd: "winograd/4x4" };
const ROWS = { team: "workgroup", alone: "thread" };

/** New names by the old ones, for keys that begin with these words. */
const RENAMED: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ["convolve ", CONVOLUTION],
  ["transpose ", CONVOLUTION],
  ["weight gradient ", WEIGHT_GRADIENT],
  ["matmul ", { plain: "direct", strips: "subgroup/32x64", tiles: "shared-memory/64x64" }],
  ["coarse match ", { strips: "subgroup", tiles: "shared-memory" }],
  ["", ROWS],
];

/** Recorded choices with the names that variants have now. The same names select the same kernels as before. */
export function currentChoices(choices: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(choices).map(([key, id]) => {
      const names = RENAMED.find(([words]) => key.startsWith(words))?.[1];
      return [key, names && Object.hasOwn(names, id) ? (names[id] as string) : id];
    }),
  );
}
