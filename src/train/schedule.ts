/** The learning rate over a training run: cosine annealing (Loshchilov, Hutter 2017, without restarts). */

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
