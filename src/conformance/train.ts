/** Training: several Adam steps on the reconstruction loss, each with the golden matches of its step handed in. */
import { grad } from "../graph/grad.js";
import { ADAM_HYPER_LENGTH, adam, type Moments } from "../graph/ops/adam.js";
import { l1Loss } from "../graph/ops/l1_loss.js";
import { Parameters } from "../graph/parameters.js";
import { compile, type Plan } from "../graph/plan.js";
import { Masa } from "../masa/masa.js";
import { type Batch, MatchProbe, readBatch } from "./batch.js";
import type { Check } from "./compare.js";
import { type Entry, UnsupportedError } from "./entry.js";
import { runGan } from "./gan.js";
import { adamStep } from "./optimiser.js";
import { declareMoments, difference, fillParameters, readAll } from "./parameters.js";
import type { Trial } from "./trial.js";

export async function runTraining(trial: Trial): Promise<void> {
  const { golden, entry, set, device } = trial;
  if (golden.op !== "training") throw new UnsupportedError(`training ${golden.op} is unknown`);
  if (!entry.has("steps")) return runGan(trial);
  const hyper = entry.entry("hyper");
  if (!hyper.text("loss").startsWith("L1")) throw new UnsupportedError(`loss ${hyper.text("loss")} is unknown`);
  const masa = new Masa();
  const optimiser = new Parameters();
  try {
    await fillParameters(device, masa.parameters, set.parameters(entry.entry("params")));
    const steps = entry.list("steps");
    const batch = await readBatch(trial);
    const moments = declareMoments(optimiser, masa.parameters.trainable);
    await optimiser.allocate(device);
    const plan = await planStep(trial, masa, moments, batch, steps[0]!);
    const initial = await readAll(masa.parameters);
    try {
      for (const step of steps) await compareStep(trial, masa, plan, batch, step, initial);
    } finally {
      plan.dispose();
    }
  } finally {
    masa.parameters.dispose();
    optimiser.dispose();
  }
}

type StepInput = "lr" | "ref" | "refDown" | "hr" | "coarseIndex" | "fineIndex" | "hyper";

function planStep(
  trial: Trial,
  masa: Masa,
  moments: Moments,
  batch: Batch,
  step: Entry,
): Promise<Plan<StepInput, "loss" | "fineIndex">> {
  const index = (name: string) => ({ shape: step.entry(name).shape(), dtype: "i32" as const });
  const specs = {
    lr: batch.lr.shape,
    ref: batch.ref.shape,
    refDown: batch.refDown.shape,
    hr: batch.hr.shape,
    coarseIndex: index("coarse_index"),
    fineIndex: index("fine_index"),
    hyper: [ADAM_HYPER_LENGTH],
  };
  return compile(trial.device, specs, ({ hr, coarseIndex, fineIndex, hyper, ...images }) => {
    const seen = new MatchProbe();
    const { sr } = masa.forward(images, { coarseIndex, fineIndex, probe: seen.probe });
    const loss = l1Loss(sr, hr);
    const own = seen.ownMatches(masa, { coarseIndex });
    const variables = masa.parameters.trainable;
    adam(variables, grad(loss, variables), moments, hyper);
    return { loss, fineIndex: own.fineIndex };
  });
}

async function compareStep(
  trial: Trial,
  masa: Masa,
  plan: Plan<StepInput, "loss" | "fineIndex">,
  { lr, ref, refDown, hr }: Batch,
  step: Entry,
  initial: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  const number = step.number("step");
  const data = {
    lr: lr.data,
    ref: ref.data,
    refDown: refDown.data,
    hr: hr.data,
    coarseIndex: Int32Array.from(await trial.values(step.entry("coarse_index"))),
    fineIndex: Int32Array.from(await trial.values(step.entry("fine_index"))),
    hyper: adamStep(trial.entry.entry("hyper"), number),
  };
  const { loss, fineIndex } = await plan.run(data, trial.watch(`step ${number}`));
  trial.compareScalar(`step ${number} loss`, step.entry("loss_before_step"), loss[0]!);
  const after = await readAll(masa.parameters);
  for (const [name, spec] of step.entries("params"))
    await trial.compare(`step ${number} ${name}`, spec, after.get(name));
  const change = (name: string) => difference(after.get(name), initial.get(name));
  await trial.compareSummaries(`step ${number} change`, step.entry("param_change_summary"), change, { gates: isNorm });
  const margins = await trial.values(step.entry("fine_margin"));
  await trial.compare(`step ${number} own fine_index`, step.entry("fine_index"), fineIndex, margins);
}

/** An element whose gradient is rounding noise moves by a full step of Adam either way: only the norm is sharp. */
function isNorm({ tensor }: Check): boolean {
  return tensor.endsWith(" norm");
}
