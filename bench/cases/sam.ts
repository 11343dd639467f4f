/** The spatial adaptation module at the scales of the decoder: three convolutions and the statistics of two tensors. */

import type { Data } from "../../src/graph/plan/plan.js";
import { grad } from "../../src/graph/trace/grad.js";
import { generator, uniform } from "../../src/graph/trace/parameters.js";
import { SpatialAdaptation } from "../../src/masa/adaptation.js";
import { instanceNorm } from "../../src/reference/instance_norm.js";
import { meanStd } from "../../src/reference/mean_std.js";
import { type Allocated, bytesOf, type Case, elements, label, type Sides, type Suite, type Tensors } from "../case.js";
import {
  type Array4,
  convolutionSum,
  type Expected,
  joinChannels,
  plane,
  position,
  rounding,
  worstError,
} from "../oracle.js";
import { slopeError } from "../slope.js";

const SHAPES: readonly Sides[] = [160, 80, 40].map((side): Sides => [1, 64, side, side]);
const WINDOW = { stride: 1, padding: 1 };
const EPS = 1e-5;
const SAMPLES = 20;

export const samCases: Suite = (shapes = SHAPES) => shapes.flatMap((shape) => [adaptation(shape), gradients(shape)]);

/** Modules begin with γ = β = 0, which would hide errors: random weights in place of these. */
function random({ parameters }: SpatialAdaptation): Allocated {
  return {
    async allocate(device) {
      await parameters.allocate(device);
      for (const [i, variable] of parameters.all.entries()) {
        const data = new Float32Array(variable.size);
        uniform(0.05)(data, generator(0, i));
        parameters.write(variable, data);
      }
    },
    dispose: () => parameters.dispose(),
  };
}

function adaptation(shape: Sides): Case {
  const { parameters, module, flops, bytes } = newModule(shape);
  const layer = async (name: string) => ({
    weight: await parameters.read(parameters.get(`${name}.weight`)),
    bias: await parameters.read(parameters.get(`${name}.bias`)),
  });
  return {
    name: `sam ${label(shape)}`,
    flops,
    bytes,
    inputs: { lr: shape, ref: shape },
    parameters: [random(module)],
    build: ({ lr, ref }) => ({ y: module.forward(lr!, ref!) }),
    async check(data, uniform) {
      const [shared, gamma, beta] = await Promise.all([
        layer("conv_shared.0"),
        layer("conv_gamma"),
        layer("conv_beta"),
      ]);
      const module: Module = { lr: { shape, data: data.lr! }, ref: { shape, data: data.ref! }, shared, gamma, beta };
      return worstError(data.y!, uniform, expected(module), SAMPLES);
    },
  };
}

/** Forward and backward: gradients of both features and of all parameters. */
function gradients(shape: Sides): Case {
  const { parameters, module, flops, bytes } = newModule(shape);
  const inputs = { lr: shape, ref: shape };
  const f = ({ lr, ref }: Tensors) => module.forward(lr!, ref!);
  return {
    name: `sam gradients ${label(shape)}`,
    flops: 3 * flops,
    bytes: 2 * bytes,
    inputs: { ...inputs, dy: shape },
    parameters: [random(module)],
    build({ dy, ...tensors }) {
      const [dlr, dref, ...others] = grad([f(tensors)], [tensors.lr!, tensors.ref!, ...parameters.trainable], [dy!]);
      return { dlr: dlr!, dref: dref!, ...Object.fromEntries(others.map((gradient, i) => [`d${i}`, gradient])) };
    },
    check: ({ dy, dlr, dref, ...data }, _, device) =>
      slopeError(device, { inputs, f, data, dy: dy!, gradients: { lr: dlr!, ref: dref! } }),
  };
}

function newModule(shape: Sides) {
  const C = shape[1];
  const module = new SpatialAdaptation(C);
  const { parameters } = module;
  return {
    ...{ parameters, module },
    // Four convolutions of C channels to C, and some twenty operations a pixel.
    flops: elements(shape) * (2 * 4 * 9 * C + 20),
    bytes: bytesOf(shape, shape, shape, ...parameters.all.map((variable) => variable.shape)),
  };
}

interface Layer {
  readonly weight: Data;
  readonly bias: Data;
}

interface Module {
  readonly lr: Array4;
  readonly ref: Array4;
  readonly shared: Layer;
  readonly gamma: Layer;
  readonly beta: Layer;
}

/** norm(ref)·(γ + std) + β + mean at one place, with the errors of its parts added up. */
function expected({ lr, ref, shared, gamma, beta }: Module) {
  const [, C, H, W] = lr.shape;
  const both = joinChannels(lr, ref);
  const sharedWeight: Array4 = { shape: [C, 2 * C, 3, 3], data: shared.weight };
  const style = (n: number, c: number, y: number, x: number): Expected => {
    const i = ((n * C + c) * H + y) * W + x;
    const sum = convolutionSum(i, lr.shape, both, sharedWeight, WINDOW);
    sum.add(shared.bias[c] as number, 1);
    return { value: Math.max(0, sum.value), bound: sum.bound };
  };
  return (i: number): Expected => {
    const [n, c, y, x] = position(i, lr.shape);
    const styles = neighbours(lr.shape, y, x).map(({ channel, row, column, tap }) => ({
      ...style(n, channel, row, column),
      at: (c * C + channel) * 9 + tap,
    }));
    const [g, b] = [gamma, beta].map(({ weight, bias }) => {
      const sum = { value: bias[c] as number, size: Math.abs(bias[c] as number), carried: 0 };
      for (const { value, bound, at } of styles) {
        sum.value += value * (weight[at] as number);
        sum.size += Math.abs(value * (weight[at] as number));
        sum.carried += bound * Math.abs(weight[at] as number);
      }
      return { value: sum.value, bound: sum.carried + rounding(9 * C + 1) * sum.size };
    }) as [Expected, Expected];
    const style1 = statistics(lr, n * C + c);
    const content = statistics(ref, n * C + c);
    const norm = content.normalised[y * W + x] as number;
    const value = norm * (g.value + style1.std) + b.value + style1.mean;
    const scale = Math.abs(g.value) + style1.std;
    const sums = 4 * 2 ** -24 * (Math.abs(norm) * scale + Math.abs(b.value) + Math.abs(style1.mean));
    const moved = Math.abs(norm) * (g.bound + style1.bound) + scale * content.normalisedBound;
    return { value, bound: moved + b.bound + style1.bound + sums };
  };
}

/** All channels of the 3×3 pixels around (y, x) that are inside. */
function neighbours([, C, H, W]: Sides, y: number, x: number) {
  return Array.from({ length: 9 * C }, (_, k) => {
    const [channel, tap] = [Math.floor(k / 9), k % 9];
    return { channel, tap, row: y - 1 + Math.floor(tap / 3), column: x - 1 + (tap % 3) };
  }).filter(({ row, column }) => row >= 0 && row < H && column >= 0 && column < W);
}

/** Statistics of a plane; bounds as in the tests of mean_std and instance_norm. */
function statistics({ data, shape }: Array4, p: number) {
  const values = plane(data, shape, p);
  const [mean, std] = Object.values(meanStd(values)).map((array) => array.data[0] as number) as [number, number];
  const spread = values.data.reduce((most, value) => Math.max(most, Math.abs(value - mean)), 0);
  const unit = rounding(values.data.length);
  const centre = Math.abs(mean) / Math.sqrt(values.data.length);
  return {
    ...{ mean, std, bound: unit * (centre + 2 * spread) },
    ...{ normalised: instanceNorm(values, EPS).data, normalisedBound: (unit * (centre + 3 * spread)) / std },
  };
}
