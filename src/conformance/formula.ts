/**
 * Tensors from a formula: inputs and weights of golden cases are a hash of (seed, index), so that a manifest carries
 * none of them and every language builds the same bits. The hash is the finaliser of murmur3 over 32-bit words.
 */
import { type Entry, ManifestError } from "./entry.js";

/** Unsigned 32-bit hash of element `i` (flat, row-major) under `seed`. */
export function hash(seed: number, i: number): number {
  let x = (Math.imul(i, 0x9e3779b1) + Math.imul(seed, 0x85ebca77)) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Element `i` in [−1, 1), a multiple of 2⁻²³. */
export function uniform(seed: number, i: number): number {
  return ((hash(seed, i) >>> 8) - 0x800000) / 0x800000;
}

/** `{ "formula": … }` of the manifest; steps in this order, each result rounded to float32. */
export interface Formula {
  readonly seed: number;
  /** Rounds down to multiples of 1/quant; 0 for not at all. */
  readonly quant?: number;
  readonly scale?: number;
  readonly offset?: number;
  /** Elements whose index it divides are 0; 0 for none. */
  readonly zeroEvery?: number;
  /** An integer tensor: the hash modulo this, instead of all the above; 0 for a tensor of numbers. */
  readonly mod?: number;
}

/** A tensor as the manifest describes it, built: f32, or i32 where the formula has `mod`. */
export interface Built {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** Builds a `{ shape, formula | const, head? }` of the manifest and checks its first elements against `head`. */
export function buildTensor(entry: Entry): Built {
  const shape = entry.shape();
  const count = shape.reduce((product, side) => product * side, 1);
  const data = entry.has("const")
    ? new Float32Array(count).fill(entry.number("const"))
    : fill(readFormula(entry.entry("formula")), count);
  if (entry.has("head")) checkHead(entry, data);
  return { shape, data };
}

function readFormula(entry: Entry): Formula {
  return {
    seed: entry.number("seed"),
    quant: entry.number("quant", 0),
    scale: entry.number("scale", 1),
    offset: entry.number("offset", 0),
    zeroEvery: entry.number("zero_every", 0),
    mod: entry.number("mod", 0),
  };
}

/** The first `count` elements. */
export function fill(formula: Formula, count: number): Float32Array | Int32Array {
  const { seed, quant = 0, scale = 1, offset = 0, zeroEvery = 0, mod = 0 } = formula;
  if (mod > 0) return Int32Array.from({ length: count }, (_, i) => hash(seed, i) % mod);
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    if (zeroEvery > 0 && i % zeroEvery === 0) continue;
    let value = uniform(seed, i);
    if (quant > 0) value = Math.fround(Math.floor(value * quant) / quant);
    if (scale !== 1) value = Math.fround(value * scale);
    data[i] = value + offset;
  }
  return data;
}

function checkHead(entry: Entry, data: ArrayLike<number>): void {
  for (const [i, wanted] of entry.numbers("head").entries()) {
    if (data[i] !== wanted)
      throw new ManifestError(
        `${entry.where}: element ${i} by the formula is ${data[i]}, the manifest's head says ${wanted}`,
        "Correct formula.ts or the manifest",
      );
  }
}

/** Checks this file against the manifest's `formula_tests`. */
export function checkFormula(tests: readonly Entry[]): void {
  for (const test of tests) {
    const [seed, i] = [test.number("seed"), test.number("i")];
    const got = { hash: hash(seed, i), uniform: uniform(seed, i) };
    for (const name of ["hash", "uniform"] as const) {
      if (got[name] !== test.number(name))
        throw new ManifestError(
          `${test.where}: the ${name} of seed ${seed}, i ${i} is ${got[name]} here, ${test.number(name)} in the manifest`,
          "Correct formula.ts or the manifest",
        );
    }
  }
}
