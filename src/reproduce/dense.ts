/**
 * Dense matching beside coarse to fine (paper, section 3.2 and table 2): what each costs as the images grow, in
 * multiply-adds and, on this adapter, in time.
 */
import type { Device } from "../gpu/device.js";
import { compile, type Plan } from "../graph/plan/plan.js";
import { generator } from "../graph/trace/parameters.js";
import { MASA } from "../masa/config.js";
import { denseGeometry, matchGeometry } from "../masa/geometry.js";
import { match } from "../masa/matching.js";
import { lineChart } from "./chart.js";
import { giga, milliseconds } from "./format.js";
import { TABLE2 } from "./paper.js";
import type { Figure, Result, Table } from "./result.js";
import { clockName, timePlans } from "./timing.js";
import { addWork, NOTHING, type Work, workOf } from "./work.js";

const PATHS = ["dense", "fused"] as const;
const NAMES = { dense: "dense", fused: "coarse to fine" } as const;
type Path = (typeof PATHS)[number];

export interface DenseOptions {
  /** Sides of LR and of Ref↓, in pixels. */
  readonly sides: readonly number[];
  readonly rounds: number;
}

interface Cost extends Work {
  /** Of GPU memory that the plan takes. */
  readonly memory: number;
  readonly milliseconds: number;
}

interface Measured extends Readonly<Record<Path, Cost>> {
  readonly side: number;
}

export async function dense(
  device: Device,
  { sides, rounds }: DenseOptions,
  signal: AbortSignal,
  onSide: (side: number) => void,
): Promise<Result> {
  const measured: Measured[] = [];
  for (const side of sides) {
    onSide(side);
    measured.push(await measure(device, side, rounds, signal));
  }
  const time = clockName(device);
  return {
    name: "dense",
    title: "Dense matching beside coarse to fine",
    text: [
      `LR and Ref↓ are squares of the same side, with ${MASA.channels} channels. Dense matching compares the 3×3 patch of each ` +
        "pixel of LR with every patch of Ref↓; coarse to fine is the official setting. Counted are the multiply-adds of the " +
        "cosines' products, as the paper counts; executed is what the kernels do: as neighbouring patches share their " +
        "products, those of a pair of pixels are computed once for all nine patches, in dense and in fine matching alike.",
      "Neither writes its similarities to memory: the dense search keeps the best of each pixel while it streams the " +
        "reference past. The column 'all similarities' is what unfused dense matching would have to hold.",
      `${time === "time" ? "Time is" : "CPU time is that of this process on all cores, and is"} the least of ${rounds} runs in ` +
        "turns. The whole networks that match densely take " +
        `${Object.entries(TABLE2.dense)
          .map(([name, all]) => `${all} G (${name})`)
          .join(
            " and ",
          )} multiply-adds by the paper's table 2, MASA ${TABLE2.multiplyAdds} G, at LR ${TABLE2.lr}×${TABLE2.lr} ` +
        `and Ref ${TABLE2.ref}×${TABLE2.ref}.`,
    ],
    tables: [counts(measured), times(measured, time)],
    figures: [ratios(measured, time), curves(measured, time)],
    data: { clock: time, rounds, sides: measured },
  };
}

async function measure(device: Device, side: number, rounds: number, signal: AbortSignal): Promise<Measured> {
  const shape = [1, MASA.channels, side, side];
  const uniform = generator(1, side);
  const features = () => Float32Array.from({ length: MASA.channels * side * side }, () => 2 * uniform() - 1);
  const data = { lr: features(), refDown: features() };
  const plans = {} as Record<Path, Plan>;
  try {
    for (const path of PATHS) plans[path] = await compileMatch(device, shape, path);
    const timed = PATHS.map((path) => ({ plan: plans[path], data }));
    const found = await timePlans(device, timed, rounds, signal);
    const cost = (path: Path): Cost => ({
      ...plans[path].dispatches.map(workOf).reduce(addWork, NOTHING),
      memory: plans[path].bytes,
      milliseconds: found[PATHS.indexOf(path)] as number,
    });
    return { side, dense: cost("dense"), fused: cost("fused") };
  } finally {
    for (const plan of Object.values(plans)) plan.dispose();
  }
}

function compileMatch(device: Device, shape: readonly number[], path: Path) {
  const sides = [shape[2] as number, shape[3] as number] as const;
  const geometry = path === "dense" ? denseGeometry(sides, sides) : matchGeometry({ lr: sides, refDown: sides });
  return compile(device, { lr: shape, refDown: shape }, (features) => {
    const { fineIndex, fineScore } = match(features, geometry, {
      matching: path === "dense" ? "dense" : "coarse-to-fine",
    });
    return { fineIndex, fineScore };
  });
}

const label = (side: number) => `${side}×${side}`;
const ratio = ({ dense, fused }: Measured, of: (cost: Cost) => number) => of(dense) / of(fused);
const shown = (value: number) => value.toFixed(value < 10 ? 2 : 1);

function counts(measured: readonly Measured[]): Table {
  const columns = (of: (cost: Cost) => number) => (one: Measured) => [
    giga(of(one.dense), 3),
    giga(of(one.fused), 3),
    shown(ratio(one, of)),
  ];
  const counted = columns(({ flops }) => flops / 2);
  const executed = columns(({ executed }) => executed / 2);
  return {
    title: "10⁹ multiply-adds",
    columns: ["LR, Ref↓", "dense", "coarse to fine", "ratio", "dense, executed", "coarse to fine, executed", "ratio"],
    rows: measured.map((one) => [label(one.side), ...counted(one), ...executed(one)]),
  };
}

function times(measured: readonly Measured[], time: string): Table {
  const mebi = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  return {
    title: `${time === "time" ? "Time" : time} and memory (MiB)`,
    columns: ["LR, Ref↓", "dense", "coarse to fine", "ratio", "dense", "coarse to fine", "all similarities"],
    rows: measured.map((one) => [
      label(one.side),
      milliseconds(one.dense.milliseconds),
      milliseconds(one.fused.milliseconds),
      shown(ratio(one, (cost) => cost.milliseconds)),
      mebi(one.dense.memory),
      mebi(one.fused.memory),
      mebi(4 * one.side ** 2 * (one.side - 2) ** 2),
    ]),
  };
}

const SIDE = { label: "side of LR and of Ref↓ (pixels)", scale: "log" } as const;

function ratios(measured: readonly Measured[], time: string): Figure {
  const series = (name: string, of: (cost: Cost) => number) => ({
    name,
    points: measured.map((one) => [one.side, ratio(one, of)] as const),
  });
  return {
    name: "dense",
    caption: "How many times the cost of coarse to fine dense matching has",
    svg: lineChart({
      x: SIDE,
      y: { label: "dense : coarse to fine", scale: "log" },
      series: [
        series("multiply-adds", ({ flops }) => flops),
        series("executed", ({ executed }) => executed),
        series(time, (cost) => cost.milliseconds),
      ],
    }),
  };
}

function curves(measured: readonly Measured[], time: string): Figure {
  return {
    name: "dense_time",
    caption: `${time === "time" ? "Time" : time} of the matching`,
    svg: lineChart({
      x: SIDE,
      y: { label: `${time} (s)`, scale: "log" },
      series: PATHS.map((path) => ({
        name: NAMES[path],
        points: measured.map((one) => [one.side, one[path].milliseconds / 1e3] as const),
      })),
    }),
  };
}
