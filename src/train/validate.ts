/** What a run looks at now and then: the scores on its validation cases, and a sheet of the first few. */
import { join } from "node:path";
import { evaluatePrepared, type PreparedCase } from "../evaluate/evaluate.js";
import type { Scores } from "../evaluate/scores.js";
import { makeFolder, writeFileAtomic } from "../files/atomic.js";
import { encodePng } from "../files/png.js";
import type { Device } from "../gpu/device.js";
import type { Image } from "../image/image.js";
import type { Masa } from "../masa/masa.js";
import { type Sample, sampleSheet } from "./log/samples.js";

/** The sheets' folder in the run's. */
export const SAMPLES = "samples";
const ROWS = 4;

export interface Sheet {
  readonly path: string;
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface Validation {
  readonly mean: Scores;
  /** None where the network gave no picture. */
  readonly sheet: Sheet | undefined;
}

/** Evaluates `masa` and writes `out/samples/step-00001234.png`. Throws `OutputError` and what the GPU throws. */
export async function validate(
  device: Device,
  masa: Masa,
  cases: readonly PreparedCase[],
  out: string,
  step: number,
): Promise<Validation> {
  const images = new Map<string, Image>();
  const { mean, cases: results } = await evaluatePrepared(device, masa, cases, {
    onImage: ({ name }, image) => void images.set(name, image),
  });
  const samples = cases.slice(0, ROWS).flatMap(({ name, original, bicubic, ref }, i): Sample[] => {
    const sr = images.get(name);
    return sr ? [{ name, bicubic, sr, hr: original, ref, psnr: results[i]!.psnr }] : [];
  });
  return { mean, sheet: samples.length > 0 ? await writeSheet(samples, out, step) : undefined };
}

async function writeSheet(samples: readonly Sample[], out: string, step: number): Promise<Sheet> {
  const folder = join(out, SAMPLES);
  await makeFolder(folder);
  const image = await sampleSheet(samples);
  const path = join(folder, `step-${String(step).padStart(8, "0")}.png`);
  const png = encodePng(image);
  await writeFileAtomic(path, png);
  return { path, png, width: image.width, height: image.height };
}
