/** Training: several steps on the reconstruction loss, recorded as the trainer records them, each with the golden matches of its step handed in. */
import { compile } from "../graph/plan/plan.js";
import { OFFICIAL } from "../train/config.js";
import { Networks } from "../train/networks.js";
import { Optimisers, recordStep } from "../train/record_step.js";
import { type Batch, dataOf, MatchProbe, readBatch, shapesOf } from "./batch.js";
import type { Check } from "./compare.js";
import { type Entry, UnsupportedError } from "./entry.js";
import { runGan } from "./gan.js";
import { adamSettings } from "./optimiser.js";
import { difference, fillParameters, readAll } from "./parameters.js";
import type { Trial } from "./trial.js";

export async function runTraining(trial: Trial): Promise<void> {
  const { golden, entry, set, device } = trial;
  if (golden.op !== "training") throw new UnsupportedError(`training ${golden.op} is unknown`);
  if (!entry.has("steps")) return runGan(trial);
  const hyper = entry.entry("hyper");
  if (!hyper.text("loss").startsWith("L1")) throw new UnsupportedError(`loss ${hyper.text("loss")} is unknown`);
  const steps = entry.list("steps");
  const batch = await readBatch(trial);
  const { lr, betas } = adamSettings(hyper);
  const config = { ...OFFICIAL, betas, batch: batch.lr.shape[0] };
  const networks = new Networks(config);
  const optimisers = new Optimisers(networks, config);
  try {
    await fillParameters(device, networks.masa.parameters, set.parameters(entry.entry("params")));
    await optimisers.allocate(device);
    optimisers.generator.lr = lr;
    const plan = await compileStep(trial, networks, optimisers, config, batch, steps[0]!);
    const initial = await readAll(networks.masa.parameters);
    try {
      for (const step of steps) await compareStep(trial, plan, networks, batch, step, initial);
    } finally {
      plan.dispose();
    }
  } finally {
    optimisers.dispose();
    networks.dispose();
  }
}

/** A step, and what the network would have matched by itself, from the given coarse matches on. */
function compileStep(
  { device }: Trial,
  networks: Networks,
  optimisers: Optimisers,
  config: typeof OFFICIAL,
  batch: Batch,
  step: Entry,
) {
  const index = (name: string) => ({ shape: step.entry(name).shape(), dtype: "i32" as const });
  const specs = { ...shapesOf(batch), coarseIndex: index("coarse_index"), fineIndex: index("fine_index") };
  return compile(device, specs, (inputs) => {
    const seen = new MatchProbe();
    const { losses } = recordStep(networks, optimisers, config, inputs, { probe: seen.probe });
    const own = seen.ownMatches(networks.masa, { coarseIndex: inputs.coarseIndex });
    return { loss: losses.rec!, fineIndex: own.fineIndex };
  });
}

async function compareStep(
  trial: Trial,
  plan: Awaited<ReturnType<typeof compileStep>>,
  networks: Networks,
  batch: Batch,
  step: Entry,
  initial: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  const number = step.number("step");
  const data = {
    ...dataOf(batch),
    coarseIndex: Int32Array.from(await trial.values(step.entry("coarse_index"))),
    fineIndex: Int32Array.from(await trial.values(step.entry("fine_index"))),
  };
  const { loss, fineIndex } = await plan.run(data, trial.watch(`step ${number}`));
  trial.compareScalar(`step ${number} loss`, step.entry("loss_before_step"), loss.item());
  const after = await readAll(networks.masa.parameters);
  for (const [name, spec] of step.entries("params"))
    await trial.compare(`step ${number} ${name}`, spec, after.get(name));
  const change = (name: string) => difference(after.get(name), initial.get(name));
  await trial.compareSummaries(`step ${number} change`, step.entry("param_change_summary"), change, { gates: isNorm });
  const margins = await trial.values(step.entry("fine_margin"));
  await trial.compare(`step ${number} own fine_index`, step.entry("fine_index"), fineIndex.data, margins);
}

/** An element whose gradient is rounding noise moves by a full step of Adam either way: only the norm is sharp. */
function isNorm({ tensor }: Check): boolean {
  return tensor.endsWith(" norm");
}
