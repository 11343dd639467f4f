/** Adam in float64 loops. */
import { map, type NdArray } from "./array.js";

export interface AdamSettings {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** L2 penalty, default 0. */
  readonly weightDecay?: number;
  /** 1 for the first step. */
  readonly step: number;
}

export interface AdamState {
  readonly parameter: NdArray;
  readonly expAvg: NdArray;
  readonly expAvgSq: NdArray;
}

/** The state after one step with `gradient`; a gate (open, scale, norm) scales that, or leaves all as it was. */
export function adam(
  state: AdamState,
  gradient: NdArray,
  { lr, betas: [beta1, beta2], eps, weightDecay = 0, step }: AdamSettings,
  gate?: NdArray,
): AdamState {
  if (gate && gate.data[0] === 0) return state;
  const { parameter, expAvg, expAvgSq } = state;
  const scale = gate ? (gate.data[1] as number) : 1;
  const g = map(gradient, (value, i) => scale * value + weightDecay * (parameter.data[i] as number)).data;
  const m = map(expAvg, (value, i) => beta1 * value + (1 - beta1) * (g[i] as number));
  const v = map(expAvgSq, (value, i) => beta2 * value + (1 - beta2) * (g[i] as number) ** 2);
  const moved = map(parameter, (value, i) => {
    const mean = (m.data[i] as number) / (1 - beta1 ** step);
    const size = Math.sqrt((v.data[i] as number) / (1 - beta2 ** step));
    return value - (lr * mean) / (size + eps);
  });
  return { parameter: moved, expAvg: m, expAvgSq: v };
}
