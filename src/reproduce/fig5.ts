/**
 * The paper's figure 5: what the matching costs, and what it gives, over the side of LR's blocks, the side of the windows
 * of the reference, and the dilations. One is changed at a time, the others are the official ones.
 */

import { DataError } from "../data/errors.js";
import type { Workforce } from "../data/workforce.js";
import { evaluatePrepared, type PreparedCase } from "../evaluate/evaluate.js";
import type { Device } from "../gpu/device.js";
import { ShapeError } from "../gpu/errors.js";
import type { Image } from "../image/image.js";
import { MASA, type MasaConfig } from "../masa/config.js";
import { countFlops } from "../masa/flops.js";
import { matchGeometry } from "../masa/geometry.js";
import { loadMasa } from "../models/load.js";
import { lineChart } from "./chart.js";
import { giga } from "./format.js";
import { TABLE2 } from "./paper.js";
import type { Figure, Result, Table } from "./result.js";

interface Setting {
  readonly value: number | string;
  readonly changes: Partial<MasaConfig>;
}

interface Sweep {
  readonly key: "blockSize" | "refBlockScale" | "dilations";
  readonly title: string;
  readonly axis: string;
  readonly settings: readonly Setting[];
}

const LARGEST_BLOCK = 64;

export const SWEEPS: readonly Sweep[] = [
  {
    key: "blockSize",
    title: "LR block size",
    axis: "side of a block of LR (pixels)",
    settings: [8, 16, 32, LARGEST_BLOCK].map((blockSize) => ({ value: blockSize, changes: { blockSize } })),
  },
  {
    key: "refBlockScale",
    title: "Ref block size",
    axis: "side of a window of Ref↓, relative to the block's share",
    settings: [0.5, 1, 1.5, 2, 3, 4].map((refBlockScale) => ({ value: refBlockScale, changes: { refBlockScale } })),
  },
  {
    key: "dilations",
    title: "dilations",
    axis: "dilations of the coarse match",
    settings: [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]].map((dilations) => ({
      value: dilations.join(", "),
      changes: { dilations },
    })),
  },
];

/** Multiply-adds of the two searches. */
interface Cost {
  readonly coarse: number;
  readonly fine: number;
  /** Of the whole network, as the official code counts. */
  readonly total: number;
}

interface Found extends Setting {
  readonly cost: Cost;
  /** Mean PSNR on Y, where there are images to measure it on. */
  readonly psnr?: number | undefined;
}

/** A network to be measured with every setting. */
export interface Fig5Quality {
  readonly cases: readonly PreparedCase[];
  readonly weights: string;
  /** What the weights are called. */
  readonly name: string;
  readonly workforce?: Workforce | undefined;
  readonly signal: AbortSignal;
  readonly onStatus: (status: string) => void;
}

/** Multiply-adds; with a network and images, PSNR too. */
export async function fig5(device: Device, quality?: Fig5Quality): Promise<Result> {
  const [lr, refDown] = [
    [TABLE2.lr, TABLE2.lr],
    [TABLE2.ref / 4, TABLE2.ref / 4],
  ] as const;
  const usable = quality && { ...quality, cases: quality.cases.filter(takenByAll) };
  const sweeps: FoundSweep[] = [];
  for (const sweep of SWEEPS) {
    const settings: Found[] = [];
    for (const setting of sweep.settings) {
      const { coarse, fine, total } = countFlops(lr, refDown, setting.changes);
      const psnr = usable && (await measure(device, setting, usable));
      settings.push({ ...setting, cost: { coarse, fine, total }, ...(psnr !== undefined && { psnr }) });
    }
    sweeps.push({ ...sweep, settings });
  }
  return {
    name: "fig5",
    title: `Figure 5: block sizes and dilations, LR ${lr.join("×")}, Ref ${TABLE2.ref}×${TABLE2.ref}`,
    text: [
      "The coarse match compares one patch a block and dilation with every position of Ref↓: larger blocks and fewer " +
        "dilations make it cheaper. The fine match compares every pixel of LR with every position of its block's window, " +
        "which grows with the block.",
      ...(usable
        ? [
            `PSNR is the mean on Y over ${usable.cases.length} images: those of ${quality?.cases.length} that every block size ` +
              `cuts without remainder. The weights are ${usable.name}; they were trained with the official setting.`,
          ]
        : []),
    ],
    tables: sweeps.map(table),
    figures: sweeps.flatMap((sweep) => [costs(sweep), ...(usable ? [qualities(sweep)] : [])]),
    data: sweeps.map(({ key, settings }) => ({ key, official: MASA[key], settings })),
  };
}

type FoundSweep = Omit<Sweep, "settings"> & { readonly settings: readonly Found[] };

function table({ key, title, settings }: FoundSweep): Table {
  const official = String(key === "dilations" ? MASA.dilations.join(", ") : MASA[key]);
  return {
    title: `${title}: 10⁹ multiply-adds`,
    columns: [
      ...[title, "coarse", "fine", "matching", "whole network"],
      ...(settings.some(({ psnr }) => psnr !== undefined) ? ["PSNR (dB)"] : []),
    ],
    rows: settings.map(({ value, psnr, cost: { coarse, fine, total } }) => [
      String(value) === official ? `${value} (official)` : String(value),
      ...[coarse, fine, coarse + fine, total].map((count) => giga(count, 3)),
      ...(psnr === undefined ? [] : [psnr.toFixed(3)]),
    ]),
  };
}

/** Whether every setting can cut the case into blocks. */
function takenByAll({ lr, refDown }: PreparedCase): boolean {
  const sides = ({ width, height }: Image) => [height, width] as const;
  return SWEEPS.flatMap(({ settings }) => settings).every(({ changes }) => {
    try {
      matchGeometry({ lr: sides(lr), refDown: sides(refDown), ...changes });
      return true;
    } catch (error) {
      if (error instanceof ShapeError) return false;
      throw error;
    }
  });
}

async function measure(device: Device, { value, changes }: Setting, quality: Fig5Quality): Promise<number> {
  const { cases, weights, workforce, signal, onStatus } = quality;
  if (cases.length === 0)
    throw new DataError(
      "no image is cut by every block size of figure 5",
      `Give images whose sides in high resolution are multiples of ${4 * LARGEST_BLOCK}`,
    );
  const masa = await loadMasa(device, weights, changes);
  try {
    const onCase = (_: unknown, done: number, total: number) =>
      onStatus(`${Object.keys(changes)} ${value}: image ${done}/${total}`);
    return (await evaluatePrepared(device, masa, cases, { workforce, signal, onCase })).mean.psnr;
  } finally {
    masa.parameters.dispose();
  }
}

function qualities({ key, title, axis, settings }: FoundSweep): Figure {
  const points = settings.flatMap(({ value, psnr }) => (psnr === undefined ? [] : [[value, psnr] as const]));
  return {
    name: `fig5_${key}_psnr`,
    caption: `PSNR over the ${title}`,
    svg: lineChart({
      x: { label: axis, ...(key === "blockSize" && { scale: "log" }) },
      y: { label: "PSNR (dB)" },
      series: [{ name: "PSNR", points }],
    }),
  };
}

function costs({ key, title, axis, settings }: FoundSweep): Figure {
  const series = (name: string, of: (cost: Cost) => number) => ({
    name,
    points: settings.map(({ value, cost }) => [value, of(cost)] as const),
  });
  return {
    name: `fig5_${key}`,
    caption: `Multiply-adds of the matching over the ${title}`,
    svg: lineChart({
      x: { label: axis, ...(key === "blockSize" && { scale: "log" }) },
      y: { label: "multiply-adds", scale: key === "blockSize" ? "log" : "zero" },
      series: [
        series("matching", ({ coarse, fine }) => coarse + fine),
        series("coarse", ({ coarse }) => coarse),
        series("fine", ({ fine }) => fine),
      ],
    }),
  };
}
