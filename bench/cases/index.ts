/** All cases of the bench. */
import type { Case, Sides, Suite } from "../case.js";
import { conv2dCases } from "./conv2d.js";
import { instanceNormCases } from "./instance_norm.js";
import { matmulCases } from "./matmul.js";

const SUITES: readonly Suite[] = [conv2dCases, instanceNormCases, matmulCases];

/** Every case; with `shapes` those on image tensors of these shapes. */
export function allCases(shapes?: readonly Sides[]): Case[] {
  return SUITES.flatMap((suite) => suite(shapes));
}

/** What to run: the cases whose names contain `filter`, or without it those that are not large. */
export function chooseCases(filter: string | undefined, shapes?: readonly Sides[]): Case[] {
  return allCases(shapes).filter(({ name, large = false }) => (filter === undefined ? !large : name.includes(filter)));
}
