/**
 * Random numbers that belong to a place in a run, not to a moment of it: the same seed, epoch and sample give the same
 * numbers, whoever asks, in whatever order. So a resumed run continues as if it had never stopped, and workers need no
 * agreement.
 *
 * Philox4x32-10 (J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): ten rounds of a keyed
 * bijection turn a counter of 128 bits into four random words. The key is the seed; the counter is
 * (block, sample, epoch, 0), or (block, 0, epoch, 1) for what concerns an epoch as a whole.
 */

const ROUNDS = 10;
/** The multipliers and the steps of the key, from the paper. */
const [M0, M1] = [0xd2511f53, 0xcd9e8d57];
const [W0, W1] = [0x9e3779b9, 0xbb67ae85];

type Words = [number, number, number, number];

/** Philox4x32-10 of unsigned 32-bit words. */
export function philox(counter: Readonly<Words>, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const [low0, low1] = [Math.imul(M0, c0), Math.imul(M1, c2)];
    [c0, c2] = [multiplyHigh(M1, c2) ^ c1 ^ k0, multiplyHigh(M0, c0) ^ c3 ^ k1];
    [c1, c3] = [low1, low0];
    [k0, k1] = [(k0 + W0) | 0, (k1 + W1) | 0];
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** The upper 32 bits of the 64-bit product. */
function multiplyHigh(a: number, b: number): number {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  // `middle` and this sum stay below 2³²: each is at most (2¹⁶ − 1)² + 2·(2¹⁶ − 1).
  const carry = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) | 0;
}

export interface RandomKey {
  /** A safe integer. */
  readonly seed: number;
  /** 0 … 2³² − 1, as `sample`. */
  readonly epoch: number;
  /** Without it the numbers are the epoch's own, as for its order of samples. */
  readonly sample?: number;
}

/** The sequence of random numbers of one key. */
export class Random {
  readonly #key: readonly [number, number];
  readonly #counter: Words;
  #words: readonly number[] = [];
  #used = 0;

  constructor({ seed, epoch, sample }: RandomKey) {
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
    this.#counter = [0, sample ?? 0, epoch, sample === undefined ? 1 : 0];
  }

  /** Uniform in [0, 1), a multiple of 2⁻³². */
  uniform(): number {
    if (this.#used === this.#words.length) {
      this.#words = philox(this.#counter, this.#key);
      this.#counter[0]++;
      this.#used = 0;
    }
    return this.#words[this.#used++]! / 2 ** 32;
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** One of 0 … count − 1. */
  integer(count: number): number {
    return Math.floor(count * this.uniform());
  }

  /** True with probability 1/2. */
  coin(): boolean {
    return this.uniform() < 0.5;
  }

  /** 0 … count − 1 in random order (Fisher and Yates, by Durstenfeld 1964). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }
}
