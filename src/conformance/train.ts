/** Training: several steps of the trainer on the reconstruction loss, each with the golden matches of its step handed in. */
import { OFFICIAL } from "../train/config.js";
import { Networks } from "../train/networks.js";
import { Trainer } from "../train/trainer.js";
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
  try {
    await fillParameters(device, networks.masa.parameters, set.parameters(entry.entry("params")));
    const trainer = await createTrainer(trial, networks, config, batch, steps[0]!);
    const initial = await readAll(networks.masa.parameters);
    try {
      for (const step of steps) await compareStep(trial, trainer, lr, batch, step, initial);
    } finally {
      trainer.dispose();
    }
  } finally {
    networks.dispose();
  }
}

/** It also observes what the network would have matched by itself, from the given coarse matches on. */
function createTrainer(
  { device }: Trial,
  networks: Networks,
  config: typeof OFFICIAL,
  batch: Batch,
  step: Entry,
): Promise<Trainer> {
  const seen = new MatchProbe();
  const shape = (name: string) => step.entry(name).shape();
  return Trainer.create(device, networks, config, shapesOf(batch), {
    indices: { coarseIndex: shape("coarse_index"), fineIndex: shape("fine_index") },
    probe: seen.probe,
    observe: ({ inputs: { coarseIndex } }) => {
      const { fineIndex } = seen.ownMatches(networks.masa, { coarseIndex: coarseIndex! });
      return { fineIndex };
    },
  });
}

async function compareStep(
  trial: Trial,
  trainer: Trainer,
  lr: number,
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
  const watch = trial.watch(`step ${number}`);
  const { losses, observed } = await trainer.step(data, { lr, discriminatorLr: lr }, watch);
  trial.compareScalar(`step ${number} loss`, step.entry("loss_before_step"), losses.rec!);
  const after = await readAll(trainer.networks.masa.parameters);
  for (const [name, spec] of step.entries("params"))
    await trial.compare(`step ${number} ${name}`, spec, after.get(name));
  const change = (name: string) => difference(after.get(name), initial.get(name));
  await trial.compareSummaries(`step ${number} change`, step.entry("param_change_summary"), change, { gates: isNorm });
  const margins = await trial.values(step.entry("fine_margin"));
  await trial.compare(`step ${number} own fine_index`, step.entry("fine_index"), observed.fineIndex, margins);
}

/** An element whose gradient is rounding noise moves by a full step of Adam either way: only the norm is sharp. */
function isNorm({ tensor }: Check): boolean {
  return tensor.endsWith(" norm");
}
