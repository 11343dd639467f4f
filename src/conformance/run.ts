/** Runs golden cases one after the other: whatever happens in one, the next still runs. */
import type { Device } from "../gpu/device.js";
import { DeviceLostError } from "../gpu/errors.js";
import { runCheckpoint } from "./ckpt.js";
import { type Check, passes } from "./compare.js";
import { UnsupportedError } from "./entry.js";
import { runFlops } from "./flops.js";
import type { GoldenCase, GoldenSet } from "./manifest.js";
import { runMetrics } from "./metrics.js";
import { runModule } from "./modules.js";
import { runNetwork } from "./net.js";
import { runOperation } from "./ops.js";
import { runTraining } from "./train.js";
import { Trial } from "./trial.js";

const PARTS: Readonly<Record<string, (trial: Trial) => void | Promise<void>>> = {
  ops: runOperation,
  modules: runModule,
  net: runNetwork,
  train: runTraining,
  metrics: runMetrics,
  ckpt: runCheckpoint,
  flops: runFlops,
};

export interface CaseResult {
  readonly name: string;
  readonly part: string;
  readonly op: string;
  readonly passed: boolean;
  /** The check with the largest error / tolerance. */
  readonly worst: Check | undefined;
  readonly checks: readonly Check[];
  /** What was compared too, but may differ. */
  readonly information: readonly Check[];
  /** Why the case ended early. */
  readonly problem: string | undefined;
  readonly milliseconds: number;
}

export interface RunCases {
  /** Opens a device: at first, and again after one was lost. */
  readonly open: () => Promise<Device>;
  readonly signal?: AbortSignal;
  /** Told when case `i` begins and at its steps. */
  readonly onStep?: (i: number, golden: GoldenCase, step: string) => void;
  readonly onResult?: (result: CaseResult) => void;
}

/** Runs `cases` in order. Throws the signal's reason, and what `open` throws. */
export async function runCases(set: GoldenSet, cases: readonly GoldenCase[], run: RunCases): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  let device = await run.open();
  try {
    for (const [i, golden] of cases.entries()) {
      run.signal?.throwIfAborted();
      const { result, lost } = await runCase(set, golden, device, (step) => {
        run.signal?.throwIfAborted();
        run.onStep?.(i, golden, step);
      });
      run.signal?.throwIfAborted();
      results.push(result);
      run.onResult?.(result);
      if (!lost) continue;
      device.dispose();
      device = await run.open();
    }
  } finally {
    device.dispose();
  }
  return results;
}

/** Runs one case; `lost` says that the device is of no use any more. */
export async function runCase(
  set: GoldenSet,
  golden: GoldenCase,
  device: Device,
  progress: (step: string) => void = () => {},
): Promise<{ result: CaseResult; lost: boolean }> {
  const trial = new Trial(golden, set, device, progress);
  const start = performance.now();
  let failure: unknown;
  try {
    progress("");
    const part = PARTS[golden.part];
    if (!part) throw new UnsupportedError(`part ${golden.part} is unknown`);
    await part(trial);
    trial.checkAllSeen();
  } catch (error) {
    failure = error ?? new Error("unknown failure");
  }
  const { checks, information } = trial;
  const worst = checks.reduce<Check | undefined>((a, b) => (a && a.ratio >= b.ratio ? a : b), undefined);
  const result: CaseResult = {
    name: golden.name,
    part: golden.part,
    op: golden.op,
    passed: failure === undefined && checks.every(passes),
    worst,
    checks,
    information,
    problem: failure === undefined ? undefined : explain(failure),
    milliseconds: performance.now() - start,
  };
  return { result, lost: failure instanceof DeviceLostError };
}

function explain(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
