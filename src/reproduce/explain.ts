/** A match to be looked at: pictures and statistics of one run of the network. */
import { comparisonSheet, drawOver } from "../files/sheet.js";
import type { Image } from "../image/image.js";
import { resizeBicubic } from "../image/resize.js";
import type { AdaptationStatistics, Explanation } from "../upscale/explain.js";
import {
  deviations,
  enlargedLr,
  matchLines,
  similarityMap,
  tintedBlocks,
  tintedReference,
  withoutPadding,
} from "../upscale/pictures.js";
import { lineChart } from "./chart.js";
import type { Figure, Result, Table } from "./result.js";

export interface Explained {
  readonly explanation: Explanation;
  /** The truth, where there is one. */
  readonly hr?: Image | undefined;
  /** What the network is: weights and how it adapts. */
  readonly network: string;
}

export async function explained({ explanation, hr, network }: Explained): Promise<Result> {
  const { geometry, matches, statistics } = explanation;
  const [py, px] = geometry.blocks;
  const similarity = similarityMap(explanation);
  const mean = matches.fineScore.reduce((sum, score) => sum + score, 0) / matches.fineScore.length;
  return {
    name: "explain",
    title: "What was matched, and what came of it",
    text: [
      `${network}. LR is cut into ${py}×${px} blocks of ${geometry.block.join("×")} pixels; each finds its most similar ` +
        `position in the reference (coarse), and each of its pixels one in the window of ${geometry.window.join("×")} pixels ` +
        "of Ref↓ around it (fine).",
      `The mean similarity of the fine match is ${mean.toFixed(3)}. Where it is low the reference does not show what LR shows, ` +
        "and what is carried over is dimmed by as much.",
      "The colours of blocks stand for positions in the reference: what has the colour of a place was found there. Pixels are " +
        "white where they were found just where their block was, and coloured by direction and distance where the fine match " +
        "has found another place: speckles are patches that many places resemble.",
    ],
    tables: [adaptationTable(statistics)],
    figures: [
      {
        name: "lines",
        caption: "Where some blocks were found, with the windows searched",
        image: await lines(explanation),
      },
      {
        name: "colours",
        caption: "Where all blocks were found, and how the pixels' matches lie beside those of their blocks",
        image: await colours(explanation),
      },
      {
        name: "similarity",
        caption: `Similarity of the fine match, from ${similarity.low.toFixed(3)} (dark) to ${similarity.high.toFixed(3)} (bright)`,
        image: await comparisonSheet([
          { image: enlargedLr(explanation), caption: "LR" },
          { image: similarity.image, caption: "similarity" },
        ]),
      },
      {
        name: "warped",
        caption: "The reference where it was matched, and the result",
        image: await results(explanation, hr),
      },
      ...statistics.flatMap(adaptationCharts),
    ],
    data: {
      blocks: blockList(explanation),
      similarity: { mean, low: similarity.low, high: similarity.high },
      statistics,
    },
  };
}

function lines(explanation: Explanation): Promise<Image> {
  const { image, lines } = matchLines(explanation);
  return drawOver(image, lines);
}

function colours(explanation: Explanation): Promise<Image> {
  const blocks = tintedBlocks(explanation);
  const reference = tintedReference(explanation);
  const width = Math.max(1, Math.round((reference.width * blocks.height) / reference.height));
  return comparisonSheet([
    { image: blocks, caption: "blocks of LR" },
    { image: resizeBicubic(reference, width, blocks.height), caption: "reference" },
    { image: deviations(explanation), caption: "pixels against their block" },
  ]);
}

function results(explanation: Explanation, hr?: Image): Promise<Image> {
  const { warped, result, pair } = explanation;
  return comparisonSheet([
    { image: enlargedLr(explanation), caption: "bicubic" },
    { image: withoutPadding(warped, pair.window), caption: "reference, where it was matched" },
    { image: withoutPadding(result, pair.window), caption: "result" },
    ...(hr ? [{ image: hr, caption: "truth" }] : []),
  ]);
}

/** Mean over the channels of the distance between two statistics. */
function distance(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] as number)), 0) / a.length;
}

function adaptationTable(statistics: readonly AdaptationStatistics[]): Table {
  const digits = (value: number) => value.toPrecision(3);
  return {
    title: "How far the reference's statistics are from LR's, before and after the adaptation (mean over the channels)",
    columns: ["scale", "mean, before", "mean, after", "std, before", "std, after"],
    rows: statistics.map(({ scale, lr, before, after }) => [
      `×${scale}`,
      ...(["mean", "std"] as const).flatMap((of) =>
        [before, after].map((features) => digits(distance(features[of], lr[of]))),
      ),
    ]),
  };
}

/** The channels in the order of LR's statistic. */
function adaptationCharts({ scale, lr, before, after }: AdaptationStatistics): Figure[] {
  return (["mean", "std"] as const).map((of) => {
    const order = [...lr[of].keys()].sort((a, b) => (lr[of][a] as number) - (lr[of][b] as number));
    const series = (name: string, values: readonly number[]) => ({
      name,
      points: order.map((channel, place) => [place + 1, values[channel] as number] as const),
    });
    return {
      name: `adaptation_x${scale}_${of}`,
      caption: `${of === "mean" ? "Mean" : "Standard deviation"} of the channels at scale ×${scale}`,
      svg: lineChart({
        x: { label: "channels, in LR's order" },
        y: { label: of },
        series: [series("LR", lr[of]), series("reference, before", before[of]), series("reference, after", after[of])],
      }),
    };
  });
}

/** For programs: each block's corner in LR, its coarse match in Ref↓, and how similar both matches are. */
function blockList({ geometry, matches }: Explanation) {
  const { blocks, block, refDown, dilations } = geometry;
  const pixels = block[0] * block[1];
  return Array.from(matches.coarseIndex, (index, b) => ({
    lr: [(b % blocks[1]) * block[1], Math.floor(b / blocks[1]) * block[0]],
    refDown: [index % refDown[1], Math.floor(index / refDown[1])],
    coarse: (matches.coarseScore[b] as number) / dilations.length,
    fine: matches.fineScore.subarray(b * pixels, (b + 1) * pixels).reduce((sum, score) => sum + score, 0) / pixels,
  }));
}
