/** What training can begin from: the official first weights, or He's. */
export type FirstWeights = "official" | "he";
export const FIRST_WEIGHTS: readonly FirstWeights[] = ["official", "he"];

/**
 * The factor on the official first weights of a tensor (`masaWeights` in layers.ts). `he` makes them He's ("Delving Deep into
 * Rectifiers", 2015, eq. 15), which keep the size of features from layer to layer where the official ones halve it, and
 * the last layer 0: the network begins as the bicubic enlargement, instead of first unlearning what chance adds to it.
 */
export function firstWeightsFactor(kind: FirstWeights, name: string): number {
  if (kind === "official") return 1;
  return name === "decoder.conv_out.weight" ? 0 : 2;
}
