/**
 * The work that is compared: cases of the bench, which give shapes, inputs, arithmetic and the check of what comes out.
 * What a peer cannot take as it is, it is given in its own form: patches already unfolded, first weights.
 */
import { generator, Parameters } from "../../src/graph/trace/parameters.js";
import { ndarray } from "../../src/reference/array.js";
import { patch } from "../../src/reference/patches.js";
import type { Arrays, Case, Sides } from "../case.js";
import { chooseCases } from "../cases/index.js";
import { drawInputs, shapeOf } from "../harness.js";

export type Operation =
  | "ceiling"
  | "conv2d"
  | "conv2d dx"
  | "conv2d dweight"
  | "conv_transpose2d"
  | "match"
  | "instance_norm"
  | "matmul"
  | "training step"
  | "cold start";

export interface Row {
  /** Of a case of the bench. */
  readonly name: string;
  readonly operation: Operation;
  /** The least that we want and what we aim for: the best WebGPU peer's time ÷ ours, unless it says otherwise. */
  readonly target?: string;
  /** Also measured with the kernel that a porter reads. */
  readonly naive?: true;
}

export const ROWS: readonly Row[] = [
  {
    operation: "conv2d",
    name: "conv2d forward 64-64 [1,64,160,160]",
    target: "3×, aim 6×; 40 % of the ceiling; naive 5×, aim 8×",
    naive: true,
  },
  { operation: "conv2d", name: "conv2d forward 64-64 [9,64,40,40]" },
  { operation: "conv2d dx", name: "conv2d dx 64-64 [1,64,160,160]", target: "3×, aim 6×" },
  { operation: "conv2d dweight", name: "conv2d dweight 64-64 [1,64,160,160]", target: "3×, aim 6×" },
  {
    operation: "conv_transpose2d",
    name: "conv_transpose2d forward 64-64 stride 2 [1,64,80,80]",
    target: "6×, aim 10×",
  },
  { operation: "match", name: "coarse_match dilations 1 [1,64,128,128]", target: "3.5×, aim 8×" },
  { operation: "instance_norm", name: "instance_norm forward [1,64,160,160]", target: "2×, aim 5×" },
  { operation: "matmul", name: "matmul [1,1024,1024]" },
  { operation: "training step", name: "training step 8 residual blocks [9,64,40,40]", target: "4×, aim 8×" },
];

/** The roofs of bench/roofline.ts that arithmetic has; only ours can measure them. */
export const CEILINGS: readonly Row[] = ["multiply-add", "fused multiply-add"].map((name) => ({
  operation: "ceiling",
  name: `roofline ${name}`,
}));

/** All pipelines of the official training step, L1 loss, in a process that finds no compiled shader. */
export const COLD_START: Row = {
  operation: "cold start",
  name: "cold start of the official training step",
  target: "20 s, aim 8 s",
};

export interface Workload {
  readonly operation: Operation;
  readonly subject: Case;
}

export function findWorkload(name: string): Workload {
  const row = ROWS.find((row) => row.name === name);
  const subject = chooseCases("").find((subject) => subject.name === name);
  if (!row || !subject) throw new Error(`there is no workload '${name}'`);
  return { operation: row.operation, subject };
}

/** The same numbers in every process. */
export function inputsOf({ subject }: Workload): Arrays {
  return drawInputs(subject, generator(2, 0));
}

/** Values with their shape, row-major. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What a peer is given: the inputs, or the patches to be matched; and first weights by their names. */
export function peerInputs({ operation, subject }: Workload, inputs: Arrays): Record<string, Values> {
  if (operation === "match") return patchVectors(subject, inputs);
  const values = Object.entries(inputs).map(([name, data]) => [name, { shape: shapeOf(subject.inputs[name]!), data }]);
  const [parameters] = subject.parameters ?? [];
  const { all, first } =
    parameters instanceof Parameters ? { all: parameters.all, first: parameters.initial() } : { all: [], first: [] };
  const weights = all.map(({ name, shape }, i) => [name, { shape, data: first[i]! }]);
  return Object.fromEntries([...values, ...weights]);
}

/** Patches around the centres of LR's blocks of 8×8, and all patches of Ref↓; of any length. */
function patchVectors({ inputs }: Case, { lr, ref }: Arrays): Record<string, Values> {
  const shape = shapeOf(inputs.lr!) as Sides;
  const [, C, H, W] = shape;
  const pixels = (side: number) => Array.from({ length: side }, (_, i) => i);
  const centres = (side: number) => pixels(side / 8).map((block) => 8 * block + 4);
  const vectors = (map: Arrays[string], ys: number[], xs: number[], border: "zero" | "replicate"): Values => {
    const source = ndarray(shape, map);
    const data = new Float32Array(ys.length * xs.length * 9 * C);
    for (const [row, y] of ys.entries())
      for (const [column, x] of xs.entries()) {
        const { indices } = patch(source, 0, y, x, border);
        const first = (row * xs.length + column) * 9 * C;
        for (const [i, index] of indices.entries()) data[first + i] = index < 0 ? 0 : source.data[index]!;
      }
    return { shape: [ys.length * xs.length, 9 * C], data };
  };
  return {
    queries: vectors(lr!, centres(H), centres(W), "replicate"),
    candidates: vectors(ref!, pixels(H), pixels(W), "zero"),
  };
}
