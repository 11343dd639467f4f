/** Whether an enlargement runs as a whole or in windows, by the GPU memory that it may take. */
import type { Device } from "../gpu/device.js";
import { LimitError } from "../gpu/errors.js";
import { type Data, plan } from "../graph/plan/plan.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { WindowedPlan } from "../graph/windows/windowed_plan.js";
import { byteSize, type Shape } from "../kernels/kernel.js";
import type { MasaInputs } from "../masa/masa.js";

const GIB = 2 ** 30;

/**
 * GPU memory that an enlargement may take by default, besides the weights: eight of the largest bindings of the adapter, but
 * at least 1 GiB and at most 4 GiB. WebGPU does not say how much there is.
 */
export function defaultMemory({ limits }: Device): number {
  return Math.min(4 * GIB, Math.max(GIB, 8 * limits.maxStorageBufferBindingSize));
}

type Build = (inputs: MasaInputs) => Readonly<Record<string, Tensor>>;
type Shapes = Readonly<Record<keyof MasaInputs, Shape>>;

/** Whether the graph runs as a whole within `memory`, and within the adapter's bindings. Takes no GPU memory. */
export function fitsWhole(device: Device, shapes: Shapes, build: Build, memory: number): boolean {
  try {
    const { bytes, dispatches } = plan(device, shapes, build);
    const operands = dispatches.flatMap(({ bindings }) => Object.values(bindings));
    const largest = operands.reduce((most, operand) => Math.max(most, byteSize(operand)), 0);
    return bytes <= memory && largest <= device.limits.maxStorageBufferBindingSize;
  } catch (error) {
    if (error instanceof LimitError) return false;
    throw error;
  }
}

/** The plans in windows of one network; the one for the sizes used last is kept. */
export class WindowedPlans {
  #key = "";
  #plan: WindowedPlan | undefined;

  constructor(
    readonly device: Device,
    readonly build: Build,
    readonly memory: number,
  ) {}

  /** The plan for inputs of these shapes. Throws `LimitError` where even the smallest windows do not fit. */
  get(shapes: Shapes): WindowedPlan {
    const key = JSON.stringify(shapes);
    if (key !== this.#key || !this.#plan)
      this.#plan = new WindowedPlan(
        this.device,
        shapes as unknown as Record<string, Shape>,
        (inputs) => this.build(inputs as unknown as MasaInputs),
        { memory: this.memory },
      );
    this.#key = key;
    return this.#plan;
  }
}

export type Outputs = Readonly<Record<string, Data>>;
