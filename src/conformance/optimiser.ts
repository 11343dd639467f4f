/** Adam and the learning rate, over several steps. */
import { compile } from "../graph/plan/plan.js";
import { Parameters } from "../graph/trace/parameters.js";
import { Adam } from "../nn/adam.js";
import { cosineAnnealing } from "../train/schedule.js";
import { check } from "./compare.js";
import { type Entry, ManifestError, UnsupportedError } from "./entry.js";
import { buildInputs } from "./graph_case.js";
import type { Trial } from "./trial.js";

/** `{ lr, betas, eps, weight_decay? }` of a case. */
function adamOf(hyper: Entry) {
  const weightDecay = hyper.number("weight_decay", 0);
  const betas = hyper.numbers("betas") as [number, number];
  return { lr: hyper.number("lr"), betas, eps: hyper.number("eps"), weightDecay };
}

/** The same for the trainer, which has PyTorch's default eps and no weight decay. */
export function adamSettings(hyper: Entry): { readonly lr: number; readonly betas: readonly [number, number] } {
  const { eps, weightDecay, ...settings } = adamOf(hyper);
  if (eps !== 1e-8) throw new UnsupportedError(`${hyper.where}: the trainer's eps is 1e-8, not ${eps}`);
  if (weightDecay !== 0) throw new UnsupportedError(`${hyper.where}: the trainer has no weight decay`);
  return settings;
}

/** Outputs are [steps, n]: the parameter and its moments after each step. */
export async function runAdam(trial: Trial): Promise<void> {
  const { entry, device } = trial;
  const hyper = entry.entry("hyper");
  const inputs = buildInputs(trial);
  const first = inputs.get("param");
  if (!first) throw new ManifestError(`${entry.where} has no input param`, "Correct the manifest");
  const parameters = new Parameters();
  const param = parameters.declare("param", first.shape, (data) => data.set(first.data));
  const optimiser = new Adam(parameters, adamOf(hyper));
  try {
    await parameters.allocate(device);
    await optimiser.allocate(device);
    const plan = await compile(device, { gradient: first.shape }, ({ gradient }) => {
      optimiser.step([gradient]);
      const moment = (kind: string) => optimiser.state.get(`param/${kind}`);
      return { param, exp_avg: moment("exp_avg"), exp_avg_sq: moment("exp_avg_sq") };
    });
    const history: Record<string, number[]> = { param: [], exp_avg: [], exp_avg_sq: [] };
    for (let step = 1; step <= hyper.number("steps"); step++) {
      const gradient = inputs.get(`grad_step${step}`);
      if (!gradient) throw new ManifestError(`${entry.where} has no input grad_step${step}`, "Correct the manifest");
      const after = await plan.run({ gradient: gradient.data });
      for (const [name, { data }] of Object.entries(after)) history[name]?.push(...data);
    }
    plan.dispose();
    for (const [name, spec] of entry.entries("outputs")) await trial.compare(name, spec, history[name]);
  } finally {
    optimiser.dispose();
    parameters.dispose();
  }
}

/** Rounding noise of the base rate, where the rate itself passes through 0. */
const NOISE = 1e-12;

/** `values`: the learning rate after so many steps of the schedule. */
export function runSchedule({ entry, checks }: Trial): void {
  const hyper = entry.entry("hyper");
  const baseLr = hyper.number("base_lr");
  const schedule = { baseLr, tMax: hyper.number("T_max"), etaMin: hyper.number("eta_min", 0) };
  const values = entry.entry("values");
  for (const t of values.keys) {
    const want = values.number(t);
    const tolerance = Math.max(entry.number("tol_rel") * Math.abs(want), NOISE * baseLr);
    checks.push(check(`t = ${t}`, "max", Math.abs(cosineAnnealing(schedule, Number(t)) - want), tolerance));
  }
}
