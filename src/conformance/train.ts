/** Training: several Adam steps on the reconstruction loss, each with the golden matches of its step handed in. */
import { grad } from "../graph/grad.js";
import { ADAM_HYPER_LENGTH, adam, type Moments } from "../graph/ops/adam.js";
import { l1Loss } from "../graph/ops/l1_loss.js";
import { Parameters } from "../graph/parameters.js";
import { compile, type Plan } from "../graph/plan.js";
import type { Tensor } from "../graph/tensor.js";
import { Masa } from "../masa/masa.js";
import { type Batch, readBatch } from "./batch.js";
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
  const moments = new Parameters();
  try {
    await fillParameters(device, masa.parameters, set.parameters(entry.entry("params")));
    const steps = entry.list("steps");
    const batch = await readBatch(trial);
    const plan = await planStep(
      trial,
      masa,
      declareMoments(moments, masa.parameters.trainable),
      batch,
      steps[0]!,
      moments,
    );
    const initial = await readAll(masa.parameters);
    try {
      for (const [i, step] of steps.entries()) {
        trial.progress(`step ${i + 1} of ${steps.length}`);
        await compareStep(trial, masa, plan, batch, step, { number: step.number("step"), initial });
      }
    } finally {
      plan.dispose();
    }
  } finally {
    masa.parameters.dispose();
    moments.dispose();
  }
}

type StepInput = "lr" | "ref" | "refDown" | "hr" | "coarseIndex" | "fineIndex" | "hyper";

async function planStep(
  trial: Trial,
  masa: Masa,
  { expAvg, expAvgSq }: Moments,
  batch: Batch,
  step: Entry,
  moments: Parameters,
): Promise<Plan<StepInput, "loss">> {
  await moments.allocate(trial.device);
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
  return compile(trial.device, specs, ({ lr, ref, refDown, hr, coarseIndex, fineIndex, hyper }): { loss: Tensor } => {
    const { sr } = masa.forward({ lr, ref, refDown }, { coarseIndex, fineIndex });
    const loss = l1Loss(sr, hr);
    const variables = masa.parameters.trainable;
    adam(variables, grad(loss, variables), { expAvg, expAvgSq }, hyper);
    return { loss };
  });
}

async function compareStep(
  trial: Trial,
  masa: Masa,
  plan: Plan<StepInput, "loss">,
  { lr, ref, refDown, hr }: Batch,
  step: Entry,
  { number, initial }: { number: number; initial: ReadonlyMap<string, Float32Array> },
): Promise<void> {
  const { loss } = await plan.run({
    lr: lr.data,
    ref: ref.data,
    refDown: refDown.data,
    hr: hr.data,
    coarseIndex: Int32Array.from(await trial.values(step.entry("coarse_index"))),
    fineIndex: Int32Array.from(await trial.values(step.entry("fine_index"))),
    hyper: adamStep(trial.entry.entry("hyper"), number),
  });
  trial.compareScalar(`step ${number} loss`, step.entry("loss_before_step"), loss[0]!);
  const after = await readAll(masa.parameters);
  for (const [name, spec] of step.entries("params"))
    await trial.compare(`step ${number} ${name}`, spec, after.get(name));
  const change = (name: string) => difference(after.get(name), initial.get(name));
  await trial.compareSummaries(`step ${number} change`, step.entry("param_change_summary"), change, { gates: isNorm });
  if (step.has("fine_margin")) await trial.values(step.entry("fine_margin"));
}

/** An element whose gradient is rounding noise moves by a full step of Adam either way: only the norm is sharp. */
function isNorm({ tensor }: Check): boolean {
  return tensor.endsWith(" norm");
}
