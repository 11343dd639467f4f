/** What is left of numbers that are stored in 16 bits (IEEE 754 binary16). */
import { map, type NdArray } from "./array.js";

/** Significant bits of a half, exponents of its smallest normal number and of what is too large. */
const BITS = 11;
const SMALLEST = -14;
const LARGEST = 16;

/** x, each number rounded to the nearest half; of two equally near ones, to the even one. */
export function roundToHalf(x: NdArray): NdArray {
  return map(x, (value) => {
    const exponent = Math.max(Math.floor(Math.log2(Math.abs(value))), SMALLEST);
    const unit = 2 ** (exponent - (BITS - 1));
    const rounded = unit * roundToEven(value / unit);
    return Math.abs(rounded) < 2 ** LARGEST ? rounded : Math.sign(value) * Number.POSITIVE_INFINITY;
  });
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const part = value - below;
  if (part === 0.5) return below % 2 === 0 ? below : below + 1;
  return part < 0.5 ? below : below + 1;
}
