/**
 * How cost grows: the area of LR, the area of the reference and the batch are doubled, one at a time, and the exponents of
 * time and arithmetic are fitted, stage by stage. A kernel that reads more than it has to, or a plan whose parts do not
 * grow with what they work on, shows as an exponent above the expected one. Fixed costs press exponents down.
 */
import { print } from "../src/cli/command.js";
import { number, table } from "../src/cli/table.js";
import type { Device } from "../src/gpu/device.js";
import { Profiler, type Total } from "../src/gpu/profiler.js";
import { compile } from "../src/graph/plan/plan.js";
import { generator } from "../src/graph/trace/parameters.js";
import type { Shape } from "../src/kernels/kernel.js";
import { Masa } from "../src/masa/masa.js";
import { type TrainConfig, trainConfig } from "../src/train/config.js";
import { Networks } from "../src/train/networks.js";
import { Trainer } from "../src/train/trainer.js";
import { elements } from "./case.js";
import type { MeasureOptions } from "./harness.js";
import { medianInterval } from "./statistics.js";

export const AXES = ["LR area", "Ref area", "batch"] as const;
export type Axis = (typeof AXES)[number];

/** Exponents along the axes that a stage should not exceed. Others are sums of stages, with those of their arithmetic. */
export const EXPECTED: Readonly<Record<string, readonly [number, number, number]>> = {
  "encode lr": [1, 0, 1],
  "encode ref": [0, 1, 1],
  // Every block of LR is compared with every position of Ref↓.
  "match coarse": [1, 1, 1],
  // A block's window is a share of Ref↓: more blocks have smaller ones, and a fixed cost each.
  "match fine": [1, 1, 1],
  extract: [1, 0, 1],
  decode: [1, 0, 1],
};
/** All dispatches, and the CPU time of this process. */
const WHOLE = "whole";
const CPU = "CPU time";

/** Sides of LR and Ref↓, and the factors that each axis is multiplied by. */
const SIDE = 32;
const FACTORS = [1, 2, 4];

/** The images of a run. */
type Shapes = Readonly<Record<"lr" | "ref" | "refDown" | "hr", Shape>>;

interface Subject {
  readonly what: string;
  /** A network for these images, ready to run. */
  prepare(device: Device, shapes: Shapes): Promise<Ready>;
}

interface Ready {
  run(profiler: Profiler): Promise<unknown>;
  dispose(): void;
}

/** What a run took, by stage. */
type Totals = ReadonlyMap<string, Total>;

interface Point {
  readonly ready: Ready;
  readonly rounds: Totals[];
}

const CONFIG: TrainConfig = trainConfig({ preset: "tiny", data: "data" });

const FORWARD: Subject = {
  what: "forward",
  async prepare(device, { hr: _, ...shapes }) {
    const masa = new Masa(CONFIG);
    await masa.parameters.allocate(device);
    const plan = await compile(device, shapes, (inputs) => ({ sr: masa.forward(inputs).sr }));
    const data = draw(shapes);
    return {
      run: (profiler) => plan.run(data, { profiler }),
      dispose() {
        plan.dispose();
        masa.parameters.dispose();
      },
    };
  },
};

const TRAINING: Subject = {
  what: "training step",
  async prepare(device, shapes) {
    const config = { ...CONFIG, batch: shapes.lr[0] as number };
    const networks = new Networks(config);
    await networks.allocate(device, 1);
    const trainer = await Trainer.create(device, networks, config, shapes);
    const data = draw(shapes);
    const rates = { lr: 1e-4, discriminatorLr: 1e-4 };
    return {
      run: (profiler) => trainer.step(data, rates, { profiler }),
      dispose() {
        trainer.dispose();
        networks.dispose();
      },
    };
  },
};

function draw<Name extends string>(shapes: Readonly<Record<Name, Shape>>) {
  const uniform = generator(1, 0);
  const arrays = Object.entries<Shape>(shapes).map(([name, shape]) => [
    name,
    Float32Array.from({ length: elements(shape) }, uniform),
  ]);
  return Object.fromEntries(arrays) as Record<Name, Float32Array>;
}

/** The images with one axis `doublings` times doubled: an area first in width, then in height. */
export function shapesAt(axis: Axis, factor: number): Shapes {
  const sides = (name: Axis) => {
    const grown = axis === name ? factor : 1;
    const height = 2 ** Math.floor(Math.log2(grown) / 2);
    return [SIDE * height, (SIDE * grown) / height] as const;
  };
  const batch = axis === "batch" ? factor : 1;
  const image = ([H, W]: readonly [number, number], scale: number) => [batch, 3, scale * H, scale * W];
  const [lr, ref] = [sides("LR area"), sides("Ref area")];
  return { lr: image(lr, 1), hr: image(lr, 4), refDown: image(ref, 1), ref: image(ref, 4) };
}

/** How a stage grows along an axis. */
export interface Growth {
  readonly stage: string;
  readonly axis: Axis;
  /** Least milliseconds of the smallest and of the largest size. */
  readonly ms: readonly [number, number];
  /** Exponent of the least times, and those of each round. */
  readonly time: number;
  readonly rounds: readonly number[];
  /** Of the arithmetic that the kernels declare; undefined where there is none. */
  readonly flops: number | undefined;
}

/** Runs all sizes in turns, after one round to warm up. */
async function grow(device: Device, subject: Subject, { rounds, signal, onStep }: MeasureOptions): Promise<Growth[]> {
  const profiler = await Profiler.create(device);
  const points = new Map<string, Point>();
  try {
    for (const shapes of AXES.flatMap((axis) => FACTORS.map((factor) => shapesAt(axis, factor)))) {
      if (points.has(label(shapes))) continue;
      signal?.throwIfAborted();
      onStep?.(`${subject.what}: compile ${label(shapes)}`);
      points.set(label(shapes), { ready: await subject.prepare(device, shapes), rounds: [] });
    }
    for (let round = 0; round <= rounds; round++)
      for (const [name, { ready, rounds: measured }] of points) {
        signal?.throwIfAborted();
        onStep?.(`${subject.what}: round ${round}/${rounds} ${name}`);
        const totals = await measure(ready, profiler);
        if (round > 0) measured.push(totals);
      }
    return AXES.flatMap((axis) => {
      const sizes = FACTORS.map((factor) => points.get(label(shapesAt(axis, factor))) as Point);
      return growthAlong(
        axis,
        sizes.map((point) => point.rounds),
      );
    });
  } finally {
    for (const { ready } of points.values()) ready.dispose();
    profiler.dispose();
  }
}

function label({ lr, ref }: Shapes): string {
  return `LR [${lr}] Ref [${ref}]`;
}

async function measure(ready: Ready, profiler: Profiler): Promise<Totals> {
  profiler.clear();
  const before = process.cpuUsage();
  await ready.run(profiler);
  const { user, system } = process.cpuUsage(before);
  const totals = profiler.totals(({ scope }) => stageOf(scope));
  const whole = profiler.totals(() => WHOLE);
  const cpu = { ...(whole.get(WHOLE) as Total), ms: (user + system) / 1e3 };
  return new Map([...totals, ...whole, [CPU, cpu]]);
}

/** The stage of a scope, as `EXPECTED` names them. */
export function stageOf(scope: string): string {
  if (scope === "") return "loss, update";
  if (scope.startsWith("match")) return scope === "match.coarse" ? "match coarse" : "match fine";
  const [stage] = scope.split(".") as [string];
  return stage === "encode ref↓" ? "encode ref" : stage;
}

/** `sizes` are those of `FACTORS` along the axis, each with its rounds. */
export function growthAlong(axis: Axis, sizes: readonly (readonly Totals[])[]): Growth[] {
  const rounds = sizes[0] ?? [];
  return [...(rounds[0]?.keys() ?? [])].map((stage) => {
    const figures = (figure: "ms" | "flops") =>
      sizes.map((size) => size.map((totals) => totals.get(stage)?.[figure] ?? 0));
    const ms = figures("ms");
    const least = ms.map((times) => Math.min(...times));
    const flops = figures("flops").map(([first]) => first as number);
    const inRound = (round: number) => ms.map((times) => times[round] as number);
    return {
      ...{ stage, axis, flops: Math.min(...flops) > 0 ? exponent(FACTORS, flops) : undefined },
      ms: [least[0] as number, least.at(-1) as number] as const,
      time: exponent(FACTORS, least),
      rounds: rounds.map((_, round) => exponent(FACTORS, inRound(round))),
    };
  });
}

/** The slope of log y over log x, by least squares. */
export function exponent(x: readonly number[], y: readonly number[]): number {
  const [u, v] = [x.map(Math.log), y.map(Math.log)];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mu, mv] = [mean(u), mean(v)];
  const covariance = u.reduce((sum, value, i) => sum + (value - mu) * ((v[i] as number) - mv), 0);
  return covariance / u.reduce((sum, value) => sum + (value - mu) ** 2, 0);
}

const COLUMNS = ["stage", "along", `ms, × 1`, `× ${FACTORS.at(-1)}`, "time", "from", "to", "FLOP", "at most", ""];

/** An exponent this much above is told, if the rounds agree. */
const TOLERANCE = 0.3;

export function growthRow({ stage, axis, ms, time, rounds, flops }: Growth): string[] {
  const [low, high] = medianInterval(rounds);
  const expected = EXPECTED[stage]?.[AXES.indexOf(axis)] ?? flops;
  const digits = (value: number | undefined) => (value === undefined ? "–" : value.toFixed(2));
  const verdict = expected !== undefined && Math.min(low, time) > expected + TOLERANCE ? "grows faster" : "";
  return [stage, axis, ...ms.map(number), ...[time, low, high, flops, expected].map(digits), verdict];
}

/** Measures and prints. */
export async function printScaling(device: Device, options: MeasureOptions): Promise<void> {
  const { lr, ref } = shapesAt("batch", 1);
  print(`${device.info.name} · preset tiny, from LR [${lr}] Ref [${ref}] · ${options.rounds} rounds`);
  for (const subject of [FORWARD, TRAINING]) {
    const growth = await grow(device, subject, options);
    print(`\n${subject.what}`);
    for (const line of table(COLUMNS, growth.map(growthRow))) print(line);
  }
}
