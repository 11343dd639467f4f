/**
 * The paper's figure 5: what the matching costs, and what it gives, over the side of LR's blocks, the side of the windows
 * of the reference, and the dilations. One is changed at a time, the others are the official ones.
 */
import { MASA, type MasaConfig } from "../masa/config.js";
import { countFlops } from "../masa/flops.js";
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

export const SWEEPS: readonly Sweep[] = [
  {
    key: "blockSize",
    title: "LR block size",
    axis: "side of a block of LR (pixels)",
    settings: [8, 16, 32, 64].map((blockSize) => ({ value: blockSize, changes: { blockSize } })),
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
}

export function fig5(): Result {
  const [lr, refDown] = [
    [TABLE2.lr, TABLE2.lr],
    [TABLE2.ref / 4, TABLE2.ref / 4],
  ] as const;
  const sweeps = SWEEPS.map((sweep) => ({
    ...sweep,
    settings: sweep.settings.map((setting) => {
      const { coarse, fine, total } = countFlops(lr, refDown, setting.changes);
      return { ...setting, cost: { coarse, fine, total } };
    }),
  }));
  return {
    name: "fig5",
    title: `Figure 5: block sizes and dilations, LR ${lr.join("×")}, Ref ${TABLE2.ref}×${TABLE2.ref}`,
    text: [
      "The coarse match compares one patch a block and dilation with every position of Ref↓: larger blocks and fewer " +
        "dilations make it cheaper. The fine match compares every pixel of LR with every position of its block's window, " +
        "which grows with the block.",
    ],
    tables: sweeps.map(table),
    figures: sweeps.map(figure),
    data: sweeps.map(({ key, settings }) => ({ key, official: MASA[key], settings })),
  };
}

type FoundSweep = Omit<Sweep, "settings"> & { readonly settings: readonly Found[] };

function table({ key, title, settings }: FoundSweep): Table {
  const official = String(key === "dilations" ? MASA.dilations.join(", ") : MASA[key]);
  return {
    title: `${title}: 10⁹ multiply-adds`,
    columns: [title, "coarse", "fine", "matching", "whole network"],
    rows: settings.map(({ value, cost: { coarse, fine, total } }) => [
      String(value) === official ? `${value} (official)` : String(value),
      ...[coarse, fine, coarse + fine, total].map((count) => giga(count, 3)),
    ]),
  };
}

function figure({ key, title, axis, settings }: FoundSweep): Figure {
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
