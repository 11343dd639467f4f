/** Small data sets of noise. */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Pair } from "../../src/data/layouts.js";
import { writeImage } from "../../src/files/images.js";
import { type BitDepth, type Channels, createImage, type Image } from "../../src/image/image.js";
import { fillNoise } from "../files/golden.js";

export function noise(seed: number, width = 32, height = width, channels: Channels = 3, depth: BitDepth = 8): Image {
  return fillNoise(createImage(width, height, channels, depth), seed);
}

/** Writes an image with the folders above it. */
export async function put(image: Image, ...path: readonly string[]): Promise<string> {
  const file = join(...path);
  await mkdir(dirname(file), { recursive: true });
  await writeImage(file, image);
  return file;
}

/** `count` pairs in CUFED's layout. */
export async function putPairs(folder: string, count: number, width = 32, height = width): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let i = 0; i < count; i++) {
    const name = `${String(i).padStart(3, "0")}.png`;
    const hr = await put(noise(2 * i, width, height), folder, "train/input", name);
    pairs.push({ name, hr, ref: await put(noise(2 * i + 1, width, height), folder, "train/ref", name) });
  }
  return pairs;
}
