/** What the tests of operations that update in place share. */
import { Parameters, zeros } from "../../../src/graph/trace/parameters.js";
import type { Variable } from "../../../src/graph/trace/tensor.js";
import type { NdArray } from "../../../src/reference/array.js";
import { testDevice } from "../../device.js";

/** Variables of the test's device that hold `values`, named "variable i"; `parameters` writes, reads and frees them. */
export async function allocate(values: readonly NdArray[]) {
  const parameters = new Parameters();
  const variables = values.map(({ shape }, i) => parameters.declare(`variable ${i}`, shape, zeros));
  await parameters.allocate(await testDevice());
  for (const [i, { data }] of values.entries()) parameters.write(variables[i] as Variable, Float32Array.from(data));
  return { parameters, variables };
}

/** The bits of float32 values: what tells −0 from 0 and one NaN from another. */
export function bits(values: ArrayLike<number>): number[] {
  const floats = values instanceof Float32Array ? values : Float32Array.from(values);
  return [...new Uint32Array(floats.slice().buffer)];
}

/** The float32 with these bits, in an array: a number would not keep a NaN's. */
export function fromBits(...words: readonly number[]): Float32Array {
  return new Float32Array(Uint32Array.from(words).buffer);
}
