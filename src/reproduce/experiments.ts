/** The experiments by name. */
import type { Device } from "../gpu/device.js";
import { dense } from "./dense.js";
import { fig5 } from "./fig5.js";
import type { Result } from "./result.js";
import { table2 } from "./table2.js";

export interface Request {
  readonly device: Device;
  readonly signal: AbortSignal;
  /** Told what is being done. */
  readonly onStatus: (status: string) => void;
  /** Sides of the images on which matching is measured. */
  readonly sides: readonly number[];
}

/** Runs that the least time is taken of. */
const ROUNDS = 3;

/** In the order in which they run. */
export const EXPERIMENTS = {
  table2: ({ device }: Request) => table2(device),
  fig5: () => fig5(),
  dense: ({ device, sides, signal, onStatus }: Request) =>
    dense(device, { sides, rounds: ROUNDS }, signal, (side) => onStatus(`dense ${side}×${side}`)),
} as const satisfies Readonly<Record<string, (request: Request) => Result | Promise<Result>>>;

export type ExperimentName = keyof typeof EXPERIMENTS;
