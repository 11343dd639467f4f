/** GPU memory of training and upscaling, planned and not taken: a plan's bytes are known before, and are what it takes. */
import type { Device } from "../src/gpu/device.js";
import { formatBytes } from "../src/gpu/errors.js";
import { type Plan, plan } from "../src/graph/plan/plan.js";
import type { FloatStorage } from "../src/kernels/kernel.js";
import { Masa } from "../src/masa/masa.js";
import { type TrainChanges, trainConfig } from "../src/train/config.js";
import { Networks } from "../src/train/networks.js";
import { Trainer } from "../src/train/trainer.js";
import { upscaleGraph } from "../src/upscale/run.js";

export interface MemoryRow {
  readonly name: string;
  /** Bytes in all, and of them for what stays from step to step: weights and Adam's moments. */
  readonly bytes: number;
  readonly kept: number;
  readonly dispatches: number;
}

/** The official training sizes, in parts and with recomputation; the small presets; images of the usual size of CUFED5. */
export function memoryRows(device: Device): MemoryRow[] {
  return [
    training(device, "L1", { preset: "masa-rec" }),
    training(device, "L1, --recompute true", { preset: "masa-rec", recompute: true }),
    training(device, "L1, --micro-batch 3", { preset: "masa-rec", microBatch: 3 }),
    training(device, "L1, --micro-batch 1 --recompute true", { preset: "masa-rec", microBatch: 1, recompute: true }),
    training(device, "L1, perceptual, adversarial", { preset: "masa" }),
    training(device, "the same, --recompute true", { preset: "masa", recompute: true }),
    training(device, "preset small", { preset: "small" }),
    training(device, "preset tiny", { preset: "tiny" }),
    upscaling(device, [80, 128]),
    upscaling(device, [80, 128], "f16"),
    upscaling(device, [160, 240]),
    upscaling(device, [160, 240], "f16"),
  ];
}

function training(device: Device, what: string, changes: TrainChanges): MemoryRow {
  const trainer = officialTraining(device, changes);
  const { batch, size } = trainer.config;
  return row(`training ${batch} × ${size}×${size}, ${what}`, trainer.bytes, trainer.plans);
}

/** The official training step, planned. No file is read. */
export function officialTraining(device: Device, changes: TrainChanges): Trainer {
  const config = trainConfig({ ...changes, data: "data", vgg: "vgg19" });
  const { batch, size } = config;
  const [hr, lr] = [size, size / 4].map((side) => [batch, 3, side, side]) as [number[], number[]];
  return Trainer.plan(device, new Networks(config), config, { lr, ref: hr, refDown: lr, hr });
}

function upscaling(device: Device, [H, W]: readonly [number, number], storage: FloatStorage = "f32"): MemoryRow {
  const masa = new Masa();
  const shapes = { lr: [1, 3, H, W], ref: [1, 3, 4 * H, 4 * W], refDown: [1, 3, H, W] };
  const planned = plan(device, shapes, (inputs) => upscaleGraph(masa, inputs, { storage }));
  const name = `upscaling ${H}×${W} with ${4 * H}×${4 * W}${storage === "f16" ? ", --half" : ""}`;
  return row(name, planned.bytes + masa.parameters.bytes, [planned]);
}

function row(name: string, bytes: number, plans: readonly Plan[]): MemoryRow {
  const kept = bytes - plans.reduce((sum, plan) => sum + plan.bytes, 0);
  return { name, bytes, kept, dispatches: plans.reduce((sum, { dispatchCount }) => sum + dispatchCount, 0) };
}

export const MEMORY_COLUMNS = ["official network, or preset", "GPU memory", "weights, moments", "dispatches"] as const;

export function memoryTexts(rows: readonly MemoryRow[]): string[][] {
  return rows.map(({ name, bytes, kept, dispatches }) => [
    name,
    formatBytes(bytes),
    formatBytes(kept),
    String(dispatches),
  ]);
}
