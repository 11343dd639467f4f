/** The experiments by name. */
import type { Device } from "../gpu/device.js";
import { fig5 } from "./fig5.js";
import type { Result } from "./result.js";
import { table2 } from "./table2.js";

export interface Request {
  readonly device: Device;
}

export interface Experiment {
  readonly help: string;
  run(request: Request): Result | Promise<Result>;
}

/** In the order in which they run. */
export const EXPERIMENTS = {
  table2: { help: "parameters and multiply-adds, counted from the graph", run: ({ device }) => table2(device) },
  fig5: { help: "multiply-adds over the sizes of blocks and the dilations", run: () => fig5() },
} as const satisfies Readonly<Record<string, Experiment>>;

export type ExperimentName = keyof typeof EXPERIMENTS;
