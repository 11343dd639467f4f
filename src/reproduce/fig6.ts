/**
 * The paper's figure 6: what a network loses where the reference is darker or brighter than LR. SAM gives the reference's
 * features the statistics of LR's; the baseline has no adaptation.
 */

import { evaluatePrepared, type PreparedCase } from "../evaluate/evaluate.js";
import type { Device } from "../gpu/device.js";
import { createImage, type Image, maxValue } from "../image/image.js";
import { downscale } from "../image/pairs.js";
import { loadMasa } from "../models/load.js";
import { average, eachNetwork, type Training, testCases, trainVariant, VARIANTS, type Variant } from "./ablations.js";
import { lineChart } from "./chart.js";
import type { Result } from "./result.js";

/** Of the reference's luminance; 1 is as it is. */
const FACTORS = [0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6];
const COMPARED = ["none", "sam"];

export async function fig6(device: Device, training: Training): Promise<Result> {
  const cases = await testCases(training);
  const variants = VARIANTS.table3.filter(({ name }) => COMPARED.includes(name));
  const measured: { name: string; title: string; psnr: number[]; loss: number[] }[] = [];
  const networks = await eachNetwork(variants, training, (variant, seed) =>
    measure(device, variant, seed, cases, training),
  );
  for (const [i, variant] of variants.entries()) {
    const runs = networks[i] as number[][];
    const psnr = FACTORS.map((_, i) => average(runs.map((run) => run[i] as number)));
    const own = psnr[FACTORS.indexOf(1)] as number;
    measured.push({ name: variant.name, title: variant.title, psnr, loss: psnr.map((value) => own - value) });
  }
  return {
    name: "fig6",
    title: "Figure 6: references of another luminance",
    text: [
      `The references of ${cases.length} test images are made darker and brighter (8 bits, clipped at white) and the loss of ` +
        "PSNR against the references as they are is measured, with SAM and without an adaptation. The networks are those of " +
        `table 3, trained at a small scale${training.seeds.length > 1 ? "; means over their seeds" : ""}.`,
    ],
    tables: [
      {
        title: "PSNR (dB), and its loss",
        columns: ["luminance", ...measured.flatMap(({ title }) => [title, "loss"])],
        rows: FACTORS.map((factor, i) => [
          `× ${factor}`,
          ...measured.flatMap(({ psnr, loss }) => [psnr[i]?.toFixed(3) ?? "", loss[i]?.toFixed(3) ?? ""]),
        ]),
      },
    ],
    figures: [
      {
        name: "fig6",
        caption: "Loss of PSNR where the reference's luminance is changed",
        svg: lineChart({
          x: { label: "luminance of the reference" },
          y: { label: "loss (dB)" },
          series: measured.map(({ title, loss }) => ({
            name: title,
            points: loss.map((value, i) => [FACTORS[i] as number, value] as const),
          })),
        }),
      },
    ],
    data: { factors: FACTORS, measured },
  };
}

/** PSNR of a network for each factor. */
async function measure(
  device: Device,
  variant: Variant,
  seed: number,
  cases: readonly PreparedCase[],
  training: Training,
): Promise<number[]> {
  const masa = await loadMasa(device, await trainVariant(device, variant, seed, training));
  try {
    const psnr: number[] = [];
    for (const factor of FACTORS) {
      training.onStatus(`${variant.title}, seed ${seed}: luminance × ${factor}`);
      const changed = cases.map((one) => withLuminance(one, factor));
      psnr.push((await evaluatePrepared(device, masa, changed, { signal: training.signal })).mean.psnr);
    }
    return psnr;
  } finally {
    masa.parameters.dispose();
  }
}

/** The case with a darker or brighter reference; the factor 1 changes nothing. */
export function withLuminance(test: PreparedCase, factor: number): PreparedCase {
  const ref = brightened(test.ref, factor);
  return { ...test, ref, refDown: downscale(ref) };
}

function brightened(image: Image, factor: number): Image {
  const { width, height, channels, bitDepth } = image;
  const white = maxValue(image);
  const data = image.data.map((value) => Math.min(white, Math.round(factor * value)));
  return createImage(width, height, channels, bitDepth, data);
}
