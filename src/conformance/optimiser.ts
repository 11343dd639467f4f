/** Adam and the learning rate, over several steps. */
import { ADAM_HYPER_LENGTH, adam, adamHyper } from "../graph/ops/adam.js";
import { compile } from "../graph/plan/plan.js";
import { type Initializer, Parameters, zeros } from "../graph/trace/parameters.js";
import { cosineAnnealing } from "../train/schedule.js";
import { check } from "./compare.js";
import { type Entry, ManifestError, UnsupportedError } from "./entry.js";
import { buildInputs } from "./graph_case.js";
import type { Trial } from "./trial.js";

/** `{ lr, betas, eps, weight_decay? }` of a case. */
function adamOf(hyper: Entry) {
  if (hyper.number("weight_decay", 0) !== 0) throw new UnsupportedError(`${hyper.where}: weight decay cannot run`);
  return { lr: hyper.number("lr"), betas: hyper.numbers("betas") as [number, number], eps: hyper.number("eps") };
}

/** The same for the trainer, whose eps is PyTorch's default. */
export function adamSettings(hyper: Entry): { readonly lr: number; readonly betas: readonly [number, number] } {
  const { eps, ...settings } = adamOf(hyper);
  if (eps !== 1e-8) throw new UnsupportedError(`${hyper.where}: the trainer's eps is 1e-8, not ${eps}`);
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
  const declare = (name: string, initializer: Initializer) => parameters.declare(name, first.shape, initializer);
  const variables = {
    param: declare("param", (data) => data.set(first.data)),
    exp_avg: declare("exp_avg", zeros),
    exp_avg_sq: declare("exp_avg_sq", zeros),
  };
  try {
    await parameters.allocate(device);
    const { param, exp_avg, exp_avg_sq } = variables;
    const plan = await compile(device, { gradient: first.shape, hyper: [ADAM_HYPER_LENGTH] }, ({ gradient, hyper }) => {
      adam([param], [gradient], { expAvg: [exp_avg], expAvgSq: [exp_avg_sq] }, hyper);
      return variables;
    });
    const history: Record<string, number[]> = { param: [], exp_avg: [], exp_avg_sq: [] };
    for (let step = 1; step <= hyper.number("steps"); step++) {
      const gradient = inputs.get(`grad_step${step}`);
      if (!gradient) throw new ManifestError(`${entry.where} has no input grad_step${step}`, "Correct the manifest");
      const after = await plan.run({ gradient: gradient.data, hyper: adamHyper({ ...adamOf(hyper), step }) });
      for (const [name, values] of Object.entries(after)) history[name]?.push(...values);
    }
    plan.dispose();
    for (const [name, spec] of entry.entries("outputs")) await trial.compare(name, spec, history[name]);
  } finally {
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
