/** The fixtures in test/golden, and what hostile-input tests share. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { type Image, maxValue } from "../../src/image/image.js";

const FOLDER = new URL("../../../test/golden/", import.meta.url);

export function goldenPath(name: string): string {
  return fileURLToPath(new URL(name, FOLDER));
}

export function goldenBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(goldenPath(name)));
}

export function goldenJson<T>(name: string): T {
  return JSON.parse(readFileSync(goldenPath(name), "utf8"));
}

/** The fixtures' hash h(seed, i): an unsigned 32-bit integer (formula in the manifest of the golden cases). */
export function hash(seed: number, i: number): number {
  let x = (Math.imul(i, 0x9e3779b1) + Math.imul(seed, 0x85ebca77)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The fixtures' uniform number in [−1, 1). */
export function uniform(seed: number, i: number): number {
  return ((hash(seed, i) >>> 8) - 8388608) / 8388608;
}

/** Fills an image with noise in place. */
export function fillNoise(image: Image, seed: number): Image {
  for (let i = 0; i < image.data.length; i++) image.data[i] = hash(seed, i) % (maxValue(image) + 1);
  return image;
}

/** Runs `test` with a folder that is removed afterwards. */
export async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "masa-"));
  try {
    await test(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The error that `run` throws or rejects with; it must be of the given class and its message must match. */
export async function failure<E extends Error>(
  run: () => unknown,
  // biome-ignore lint/suspicious/noExplicitAny: any constructor of E will do.
  Failure: new (...args: any[]) => E,
  message = /./,
): Promise<E> {
  try {
    await run();
  } catch (error) {
    expect(error, String(error)).to.be.instanceOf(Failure);
    expect((error as E).message).to.match(message);
    return error as E;
  }
  throw new Error(`expected ${Failure.name}, but nothing was thrown`);
}

/**
 * Runs `parse` on every truncation of `bytes` and on `mutations` seeded changes of one to four bytes. Each must give a
 * result or an error of the given class; every truncation below `length` bytes must give the error.
 */
export function attack(
  bytes: Uint8Array,
  mutations: number,
  parse: (bytes: Uint8Array) => unknown,
  // biome-ignore lint/suspicious/noExplicitAny: any error class will do.
  Failure: new (...args: any[]) => Error,
  length = bytes.length,
): { rejected: number } {
  const rejects = (changed: Uint8Array, what: string): boolean => {
    try {
      parse(changed);
      return false;
    } catch (error) {
      if (!(error instanceof Failure)) throw new Error(`${what}: ${String(error)}`, { cause: error });
      return true;
    }
  };
  for (let size = 0; size < length; size++) {
    expect(rejects(bytes.slice(0, size), `cut at ${size}`), `cut at ${size}`).to.equal(true);
  }
  let rejected = 0;
  for (let m = 0; m < mutations; m++) {
    const changed = bytes.slice();
    for (let k = 0; k <= hash(m, 0) % 4; k++) changed[hash(m, 2 * k + 1) % changed.length] = hash(m, 2 * k + 2) & 255;
    if (rejects(changed, `mutation ${m}`)) rejected++;
  }
  return { rejected };
}
