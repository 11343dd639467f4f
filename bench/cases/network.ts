/** The whole network, and whole training steps. */
import type { Device } from "../../src/gpu/device.js";
import { l1Loss } from "../../src/graph/ops/l1_loss.js";
import { compile, type Data } from "../../src/graph/plan/plan.js";
import { grad } from "../../src/graph/trace/grad.js";
import { scope } from "../../src/graph/trace/graph.js";
import type { Tensor } from "../../src/graph/trace/tensor.js";
import type { FloatStorage } from "../../src/kernels/kernel.js";
import type { MasaConfig } from "../../src/masa/config.js";
import { countFlops } from "../../src/masa/flops.js";
import { Masa } from "../../src/masa/masa.js";
import { Adam, type AdamOptions } from "../../src/nn/adam.js";
import { ResidualBlocks } from "../../src/nn/layers.js";
import { PRESETS } from "../../src/train/config.js";
import { type Arrays, bytesOf, type Case, elements, label, type Sides, type Suite, type Uniform } from "../case.js";
import { rounding } from "../oracle.js";

/** A network on LR and Ref↓ of these sides. */
interface Size {
  readonly preset: "tiny" | "small" | "official";
  readonly batch: number;
  readonly lr: readonly [number, number];
  readonly refDown: readonly [number, number];
  readonly large?: boolean;
  readonly storage?: FloatStorage;
}

const TRAINING: Pick<Size, "lr" | "refDown"> = { lr: [40, 40], refDown: [40, 40] };
const SIZES: readonly Size[] = [
  { preset: "tiny", batch: 1, ...TRAINING },
  { preset: "small", batch: 1, ...TRAINING },
  { preset: "official", batch: 1, ...TRAINING, large: true },
  { preset: "official", batch: 9, ...TRAINING, large: true },
];
/** The usual size of CUFED5. */
const INFERENCE: Size = { preset: "official", batch: 1, lr: [80, 128], refDown: [80, 128], large: true };

const HALVES = [SIZES[2]!, INFERENCE].map((size): Size => ({ ...size, storage: "f16" }));

export const networkCases: Suite = (shapes) =>
  shapes
    ? []
    : [...SIZES.slice(0, 3), ...HALVES, INFERENCE]
        .map(forward)
        .concat(SIZES.map(trainingStep), [1, 9].map(residualStep));

function forward(size: Size): Case {
  const masa = new Masa(config(size));
  const { lr, ref, refDown, sr } = shapes(size);
  const { parameters } = masa;
  return {
    name: `network forward ${name(size)}`,
    large: size.large ?? false,
    flops: work(size, 1),
    bytes: bytesOf(lr, ref, refDown, sr) + 4 * parameters.count,
    inputs: { lr, ref, refDown },
    draw: IMAGES,
    parameters: [parameters],
    build(inputs) {
      const { sr, matches } = masa.forward(inputs as never, { storage: size.storage ?? "f32" });
      return { sr, coarseIndex: matches.coarseIndex, fineIndex: matches.fineIndex };
    },
    check: (data, _, device) =>
      size.preset === "official" ? finite(data.sr!) : referencePathError(device, masa, size, data),
  };
}

/** 0, or infinite. */
function finite(data: Data): number {
  return data.every(Number.isFinite) ? 0 : Number.POSITIVE_INFINITY;
}

/**
 * The error against the unfused implementation (matching_unfused.ts) on the same matches, bounded by 10⁻⁴ of the largest value:
 * some ten times what convolutions round. The official network's unfolded tensors are above what many adapters bind; there
 * only finite values are asked for, and `masa conformance` compares it with PyTorch.
 */
async function referencePathError(device: Device, masa: Masa, size: Size, data: Arrays): Promise<number> {
  const { lr, ref, refDown } = shapes(size);
  const blocks = data.coarseIndex!.length;
  const block = Math.sqrt(data.fineIndex!.length / blocks);
  const indices = {
    coarseIndex: { shape: [1, blocks], dtype: "i32" },
    fineIndex: { shape: [blocks, block, block], dtype: "i32" },
  } as const;
  const plan = await compile(device, { lr, ref, refDown, ...indices }, ({ coarseIndex, fineIndex, ...images }) => ({
    sr: masa.forward(images, { implementation: "unfused", coarseIndex, fineIndex }).sr,
  }));
  try {
    const { sr } = await plan.run(data as never);
    let [largest, error] = [0, 0];
    for (const [i, value] of sr.data.entries()) {
      largest = Math.max(largest, Math.abs(value));
      error = Math.max(error, Math.abs(value - data.sr![i]!));
    }
    return error / (1e-4 * largest);
  } finally {
    plan.dispose();
  }
}

/** Forward, L1 loss, gradients, guard and Adam, as train/record_step.ts records them. */
function trainingStep(size: Size): Case {
  const masa = new Masa(config(size));
  const { lr, ref, refDown, sr } = shapes(size);
  const optimiser = new Adam(masa.parameters, SETTINGS);
  return {
    name: `training step ${name(size)}`,
    large: size.large ?? false,
    flops: work(size, 3),
    bytes: bytesOf(lr, ref, refDown, sr) + 7 * 4 * masa.parameters.count,
    inputs: { lr, ref, refDown, hr: sr },
    draw: IMAGES,
    parameters: [masa.parameters, optimiser],
    build: ({ hr, ...images }) => learn(optimiser, masa.forward(images as never).sr, hr!),
    check: lossError,
  };
}

const BODY_BLOCKS = 8;

/** A body of residual blocks alone, which every framework can express: what peers are compared by. */
function residualStep(N: number): Case {
  const shape: Sides = [N, 64, 40, 40];
  const body = new ResidualBlocks(shape[1], BODY_BLOCKS);
  const { parameters } = body;
  const optimiser = new Adam(parameters, SETTINGS);
  const convolution = 2 * elements(shape) * 9 * shape[1];
  return {
    name: `training step ${BODY_BLOCKS} residual blocks ${label(shape)}`,
    // Forward, dweight and dx of each convolution, but for the first one's dx.
    flops: (3 * 2 * BODY_BLOCKS - 1) * convolution,
    bytes: bytesOf(shape, shape) + 7 * 4 * parameters.count,
    inputs: { x: shape, hr: shape },
    parameters: [parameters, optimiser],
    build: ({ x, hr }) => learn(optimiser, body.forward(x!), hr!),
    check: lossError,
  };
}

const SETTINGS: AdamOptions = { lr: 1e-4, losses: ["loss"] };

/** What a training step adds to a network: loss, gradients, the check that they are finite, and Adam. */
function learn(optimiser: Adam, prediction: Tensor, target: Tensor) {
  const loss = l1Loss(prediction, target);
  const gradients = scope("backward", () => grad(loss, optimiser.parameters));
  const gate = optimiser.step(gradients, { losses: { loss } });
  return { loss, gate, prediction };
}

/** The loss against float64, given the network's own result; and the gate must have found finite gradients. */
function lossError({ loss, gate, prediction, hr }: Arrays): number {
  let sum = 0;
  for (const [i, value] of prediction!.entries()) sum += Math.abs(value - hr![i]!);
  const expected = sum / prediction!.length;
  const error = Math.abs(loss![0]! - expected) / (rounding(prediction!.length) * expected);
  return gate![0] === 1 && gate![2]! > 0 && !Number.isNaN(error) ? error : Number.POSITIVE_INFINITY;
}

function config({ preset }: Size): Partial<MasaConfig> {
  return preset === "official" ? {} : (PRESETS[preset]?.changes ?? {});
}

function shapes({ batch, lr, refDown }: Size) {
  const image = ([H, W]: readonly [number, number], scale = 1): Sides => [batch, 3, scale * H, scale * W];
  return { lr: image(lr), ref: image(refDown, 4), refDown: image(refDown), sr: image(lr, 4) };
}

function name(size: Size): string {
  const { lr, ref } = shapes(size);
  return `${size.preset}${size.storage ? ` ${size.storage}` : ""} LR ${label(lr)} Ref ${label(ref)}`;
}

/** Pixels are 0 to 1. */
const pixels = (data: Data, uniform: Uniform) =>
  data.forEach((_, i) => {
    data[i] = uniform();
  });
const IMAGES = { lr: pixels, ref: pixels, refDown: pixels, hr: pixels };

/** FLOP of a forward pass, or about those of a step: each gradient is as much again, but the coarse match has none. */
function work(size: Size, passes: 1 | 3): number {
  const { conv2d, convTranspose2d, coarse, fine, elementwise } = countFlops(size.lr, size.refDown, config(size));
  const others = Object.values(elementwise).reduce((sum, count) => sum + count, 0);
  return size.batch * (2 * (passes * (conv2d + convTranspose2d.exact) + coarse + fine) + passes * others);
}
