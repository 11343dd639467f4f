/**
 * What the similarity of the reference is worth: the levels of CUFED5, 1 being the most similar, each beside bicubic
 * enlargement and, if there is one, a network that was trained alike but without a reference.
 */

import { DataError } from "../data/errors.js";
import type { TestData } from "../data/layouts.js";
import type { Workforce } from "../data/workforce.js";
import { evaluate } from "../evaluate/evaluate.js";
import { bicubicRow, SCORE_COLUMNS, type Scores, scoreRow } from "../evaluate/scores.js";
import type { Device } from "../gpu/device.js";
import { loadMasa } from "../models/load.js";
import { lineChart } from "./chart.js";
import type { Result } from "./result.js";

export interface LevelsOptions {
  readonly data: TestData;
  /** Of the network that is measured, with the name to print. */
  readonly weights: { readonly path: string; readonly name: string };
  /** Weights of a network that was trained without a reference. */
  readonly without?: string | undefined;
  readonly limit?: number | undefined;
  readonly workforce?: Workforce | undefined;
  readonly signal: AbortSignal;
  readonly onStatus: (status: string) => void;
}

/** Throws `DataError` where the images have no several references. */
export async function levels(device: Device, options: LevelsOptions): Promise<Result> {
  const { data, weights, without } = options;
  const cases = data.cases.slice(0, options.limit);
  const count = Math.min(...cases.map(({ refs }) => refs.length));
  if (count < 2)
    throw new DataError(
      "the test set has one reference an image, of one level of similarity",
      "Give images with several references, laid out as CUFED5: NNN_0.png, NNN_1.png (most similar), NNN_2.png, …",
    );
  const numbers = Array.from({ length: count }, (_, i) => i + 1);
  const measured = await measure(device, weights.path, numbers, options);
  // Its result is the same with any reference.
  const [plain] = without === undefined ? [] : await measure(device, without, [1], options);
  const { bicubicPsnr } = measured[0] as Scores;
  const row = (name: string, scores: Scores, similarity = "") =>
    [name, ...scoreRow(scores), (scores.psnr - bicubicPsnr).toFixed(2), similarity] as const;
  const flat = (name: string, value: number) => ({ name, points: numbers.map((level) => [level, value] as const) });
  return {
    name: "levels",
    title: "References of falling similarity",
    text: [
      `Means over ${cases.length} images; PSNR in dB. Level 1 is the most similar reference, level ${count} the least. ` +
        "The similarity is the mean cosine between the features of LR's pixels and of what they were matched with. " +
        "Colour share is the energy of Cb and Cr in (result − bicubic) over that of Y, Cb and Cr; worse blocks are 16×16 " +
        "blocks whose mean squared error on Y is more than 10 % and more than 3 above bicubic's. " +
        `The weights are ${weights.name}${without === undefined ? "" : `; without a reference: ${without}`}.`,
    ],
    tables: [
      {
        title: "Metrics by level",
        columns: ["reference", ...SCORE_COLUMNS, "gain on Y", "similarity"],
        rows: [
          ...measured.map((scores, i) => row(`level ${i + 1}`, scores, scores.similarity.toFixed(3))),
          ...(plain ? [row("trained without a reference", plain)] : []),
          ["bicubic", ...bicubicRow(measured[0] as Scores), "", ""],
        ],
      },
    ],
    figures: [
      {
        name: "levels",
        caption: "PSNR over the level of the reference, 1 the most similar",
        svg: lineChart({
          x: { label: "level of the reference" },
          y: { label: "PSNR (dB)" },
          series: [
            { name: "MASA", points: measured.map(({ psnr }, i) => [numbers[i] as number, psnr] as const) },
            ...(plain ? [flat("no reference", plain.psnr)] : []),
            flat("bicubic", bicubicPsnr),
          ],
        }),
      },
    ],
    data: { levels: measured, without: plain },
  };
}

async function measure(
  device: Device,
  path: string,
  chosen: readonly number[],
  { data, limit, workforce, signal, onStatus }: LevelsOptions,
): Promise<Scores[]> {
  const masa = await loadMasa(device, path);
  try {
    const means: Scores[] = [];
    for (const level of chosen) {
      const onCase = (_: unknown, done: number, total: number) => onStatus(`level ${level}: image ${done}/${total}`);
      means.push((await evaluate(device, masa, data, { level, limit, workforce, signal, onCase })).mean);
    }
    return means;
  } finally {
    masa.parameters.dispose();
  }
}
