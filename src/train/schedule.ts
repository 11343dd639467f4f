/** The learning rate over a training run. */
import type { TrainerConfig } from "./config.js";

type Rates = Pick<TrainerConfig, "schedule" | "lr" | "period" | "gamma" | "warmup" | "epochs" | "steps">;

/**
 * The network's learning rate at `step` (from 0) of a run. Schedules change between epochs, as officially; `cosine` is
 * annealing (Loshchilov, Hutter 2017, without restarts), `step` multiplies by gamma after every `period` epochs. Only
 * `anneal` changes with each step, by half a cosine over the whole run: for runs of few epochs. The warm-up rises
 * linearly, reaching the schedule's rate at its last step (Goyal et al. 2017).
 */
export function learningRate(
  { schedule, lr, period, gamma, warmup, epochs, steps }: Rates,
  step: number,
  stepsPerEpoch: number,
): number {
  const epoch = Math.floor(step / stepsPerEpoch);
  const rise = Math.min(1, (step + 1) / Math.max(1, warmup));
  if (schedule === "constant") return rise * lr;
  if (schedule === "anneal") return rise * cosineAnnealing({ baseLr: lr, tMax: steps ?? epochs * stepsPerEpoch }, step);
  if (schedule === "step") return rise * lr * gamma ** Math.floor(epoch / period);
  return rise * cosineAnnealing({ baseLr: lr, tMax: period }, epoch + 1);
}

export interface CosineAnnealing {
  /** Learning rate at t = 0. */
  readonly baseLr: number;
  /** Half a period, in the unit of t (epochs). */
  readonly tMax: number;
  /** Learning rate at t = tMax, default 0. */
  readonly etaMin?: number;
}

/**
 * etaMin + (baseLr − etaMin) · (1 + cos(π·t / tMax)) / 2: PyTorch's `CosineAnnealingLR` after t steps; beyond tMax it rises
 * again. The official training steps before each epoch, so that the first epoch trains with t = 1.
 */
export function cosineAnnealing({ baseLr, tMax, etaMin = 0 }: CosineAnnealing, t: number): number {
  // (1 + cos 2a) / 2 = cos² a, without the cancellation of 1 + cos near tMax; a counts from the nearest quarter turn.
  const phase = (t / tMax) % 2;
  const share = phase < 0.5 || phase > 1.5 ? Math.cos((Math.PI / 2) * phase) : Math.sin((Math.PI / 2) * (1 - phase));
  return etaMin + (baseLr - etaMin) * share ** 2;
}
