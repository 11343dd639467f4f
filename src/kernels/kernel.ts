/**
 * What every kernel file uses: operands in, dispatches out. A kernel turns shapes into dispatches of WGSL entry points;
 * it knows nothing of gradients, of where buffers come from, or of when the dispatches run.
 */
import type { Limits } from "../gpu/device.js";
import { LimitError } from "../gpu/errors.js";
import type { ConstantValue } from "../gpu/shader.js";

/** Sides of a tensor, outermost first: N, C, H, W of images. */
export type Shape = readonly number[];
/** How fractions are stored; they are computed with as f32 all the same. */
export type FloatStorage = "f32" | "f16";
/** Types of elements: of four bytes, and of two for halves. */
export type Dtype = FloatStorage | "i32" | "u32";

/** A tensor as a kernel sees it: contiguous, row-major. */
export interface Operand {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: Dtype;
}

/** Operands by name: `Operands<"x" | "weight", "bias">` has a bias or not. Tensors of the graph are operands too. */
export type Operands<Required extends string, Optional extends string = never> = {
  readonly [name in Required]: Operand;
} & { readonly [name in Optional]?: Operand | undefined };

/** One dispatch of one entry point of one shader. */
export interface Dispatch {
  /** `shaders/<shader>.wgsl`. */
  readonly shader: string;
  /** Default `main`. */
  readonly entry?: string;
  /** New values for `const NAME = …;` lines of the shader. A number takes the suffix of the old value; a string is WGSL. */
  readonly constants?: Readonly<Record<string, ConstantValue>>;
  /** Value of every field of the shader's `struct Params`. */
  readonly params?: Readonly<Record<string, number>>;
  /** Operand of every binding the shader declares, by name. */
  readonly bindings: Readonly<Record<string, Operand>>;
  readonly workgroups: readonly [number, number, number];
  /** Arithmetic that the result takes, a multiply-add as two; left out where reading and writing is all the work. */
  readonly flops?: number;
  /** What the kernel computes instead, where it finds the same result with less. */
  readonly executed?: number;
}

/** What the machine offers a kernel that chooses between variants. */
export interface Machine {
  readonly limits: Limits;
  /** Fewest threads of a subgroup; 0 where shaders cannot use subgroups. */
  readonly subgroupMinSize: number;
  /** The adapter computes on the CPU: few wide cores, no fast shared memory. */
  readonly software: boolean;
  /** Variants that are to be taken instead of the defaults, by the key of the choice. */
  readonly choices: ReadonlyMap<string, string>;
}

/**
 * Names of variants, the default first: those for adapters that compute on the CPU, which have subgroups of at least 8
 * threads, and those for GPUs.
 */
export function cpuFirst<Name extends string>(
  { software, subgroupMinSize }: Machine,
  cpu: readonly [Name, ...Name[]],
  gpu: readonly [Name, ...Name[]],
): [Name, ...Name[]] {
  if (subgroupMinSize < 8) return [...gpu];
  return software ? [...cpu, ...gpu] : [...gpu, ...cpu];
}

/** A choice between variants that compute the same, each with its own order of sums: equal but for rounding. */
export interface Choice {
  /** The kernel and all that decides which variant is fastest: `convolve 64→64 3×3 [1,64,160,160]`. */
  readonly key: string;
  /** Names of the variants that are valid here, the default first. */
  readonly candidates: readonly string[];
  readonly taken: string;
}

/** Collects the dispatches of the operations of a plan, the scratch tensors they need, and the choices they made. */
export class Recorder {
  readonly dispatches: (Dispatch & { readonly label: string })[] = [];
  readonly choices: Choice[] = [];
  readonly #asked = new Map<string, readonly string[]>();
  /** Prefix of labels and scratch names: the operation being recorded. */
  label = "";

  constructor(readonly machine: Machine) {}

  /** A tensor that only the dispatches recorded with it use. Its contents are undefined at first. */
  scratch(name: string, shape: Shape, dtype: Dtype = "f32"): Operand {
    return { name: `${this.label} ${name}`.trim(), shape, dtype };
  }

  /**
   * Which of `candidates` to record: the one the machine's choices name, if it is among them, else the first. The
   * candidates must follow from the key: who asks for one thing in two orders would get two defaults.
   */
  choose<Name extends string>(key: string, candidates: readonly [Name, ...Name[]]): Name {
    const asked = this.#asked.get(key) ?? candidates;
    this.#asked.set(key, asked);
    if (asked.join() !== candidates.join()) throw new Error(`${key} has candidates ${asked}, and ${candidates}`);
    const wanted = this.machine.choices.get(key);
    const taken = candidates.find((name) => name === wanted) ?? candidates[0];
    if (candidates.length > 1) this.choices.push({ key, candidates, taken });
    return taken;
  }

  /** Adds a dispatch. Throws `LimitError` where it has more workgroups than the adapter allows. */
  dispatch(dispatch: Dispatch): void {
    const most = this.machine.limits.maxComputeWorkgroupsPerDimension;
    if (dispatch.workgroups.some((count) => count > most))
      throw new LimitError(
        `${this.label || dispatch.shader}: ${dispatch.workgroups.join("×")} workgroups, this adapter allows ${most} a side`,
        "Use a smaller image, reference or batch",
      );
    this.dispatches.push({ ...dispatch, label: this.label || dispatch.shader });
  }
}

export function elements(shape: Shape): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** The dimensions of an image tensor [N, C, H, W], whose rank the operation's shape rule has checked. */
export function nchw({ shape }: Pick<Operand, "shape">): [N: number, C: number, H: number, W: number] {
  const [N, C, H, W] = shape;
  if (N === undefined || C === undefined || H === undefined || W === undefined || shape.length > 4)
    throw new Error(`[${shape}] is not [N, C, H, W]`);
  return [N, C, H, W];
}

/** Of an operand in memory: whole words, since WebGPU binds and copies no less. */
export function byteSize({ shape, dtype }: Operand): number {
  return 4 * Math.ceil((elements(shape) * (dtype === "f16" ? 2 : 4)) / 4);
}

/** Threads of a workgroup in shaders that walk a flat index. */
export const FLAT_WORKGROUP = 64;
const GRID_ROW = 32768;

/**
 * Half of the threads that add up their sums pairwise. A parameter of those shaders, not a constant: lavapipe would unroll
 * the loop and compile what lies between its barriers six times over.
 */
export const HALF = FLAT_WORKGROUP / 2;

/** So many workgroups, folded into rows where they are many: the shader finds its own as `group.x + group.y * groups.x`. */
export function rowOfGroups(groups: number): [number, number, number] {
  return groups <= GRID_ROW ? [Math.max(1, groups), 1, 1] : [GRID_ROW, Math.ceil(groups / GRID_ROW), 1];
}

/**
 * Workgroups for a kernel that has one thread an element, `FLAT_WORKGROUP` threads a workgroup. The shader finds its element
 * as `id.x + id.y * groups.x * 64u`, and must check it against the count.
 */
export function flatGrid(count: number): [number, number, number] {
  return rowOfGroups(Math.ceil(count / FLAT_WORKGROUP));
}

/** Workgroups for a kernel that has one thread a pixel of x [N, C, H, W], which walks through `planes` of the N·C planes. */
export function planeGrid(x: Pick<Operand, "shape">, planes: number): [number, number, number] {
  const [N, C, H, W] = nchw(x);
  const [columns, rows] = flatGrid(H * W);
  return [columns, rows, Math.ceil((N * C) / planes)];
}

/** Most elements that a workgroup walks through on adapters that compute on the CPU, and the workgroups wanted there. */
const MOST_STRETCH = 1024;
const LEAST_GROUPS = 256;

/**
 * For kernels whose workgroups walk through `stretch` of `count` elements: one a thread on GPUs; on adapters that compute
 * on the CPU, where beginning a workgroup costs as much as moving some ten elements a thread, several.
 */
export function walk({ software }: Machine, count: number) {
  const even = FLAT_WORKGROUP * Math.ceil(count / (FLAT_WORKGROUP * LEAST_GROUPS));
  const stretch = software ? Math.min(MOST_STRETCH, Math.max(FLAT_WORKGROUP, even)) : FLAT_WORKGROUP;
  return { params: { count, stretch }, workgroups: rowOfGroups(Math.ceil(count / stretch)) };
}

/** Elements that a shader takes at once: 4 where all of `runs`, the lengths that follow each other, are multiples of it. */
export function vectorWidth(...runs: readonly number[]): 1 | 4 {
  return runs.every((run) => run % 4 === 0) ? 4 : 1;
}

/** What so many elements are in WGSL. */
export function vectorOf(width: 1 | 4, type: "f32" | "u32" = "f32"): string {
  return width === 4 ? `vec4<${type}>` : type;
}

/** The constants of shaders that take as many elements at once as `run`, their number in a row, allows. */
export function vectors(run: number) {
  const width = vectorWidth(run);
  return { Values: vectorOf(width), WIDTH: width };
}
