/** All cases of the bench. */
import type { Case, Sides, Suite } from "../case.js";
import { adamCases } from "./adam.js";
import { convTranspose2dCases } from "./conv_transpose2d.js";
import { conv2dCases } from "./conv2d.js";
import { encodeCases } from "./encode.js";
import { instanceNormCases } from "./instance_norm.js";
import { matchingCases } from "./matching.js";
import { matchingGradientCases } from "./matching_gradients.js";
import { matmulCases } from "./matmul.js";
import { networkCases } from "./network.js";
import { resizeCases } from "./resize.js";
import { samCases } from "./sam.js";

const SUITES: readonly Suite[] = [
  conv2dCases,
  convTranspose2dCases,
  matchingCases,
  matchingGradientCases,
  samCases,
  instanceNormCases,
  resizeCases,
  matmulCases,
  adamCases,
  networkCases,
  encodeCases,
];

/** Every case; with `shapes` those on image tensors of these shapes. */
export function allCases(shapes?: readonly Sides[]): Case[] {
  return SUITES.flatMap((suite) => suite(shapes));
}

/** What to run: the cases whose names contain `filter`, or without it those that are not large. */
export function chooseCases(filter: string | undefined, shapes?: readonly Sides[]): Case[] {
  return allCases(shapes).filter(({ name, large = false }) => (filter === undefined ? !large : name.includes(filter)));
}
