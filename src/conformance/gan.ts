/**
 * One step of the full objective, recorded as the trainer records it: reconstruction, perceptual and relativistic adversarial loss. Five forward
 * passes of the discriminator, in the official order, each moving its running statistics.
 */
import { compile, dataOf as withoutShapes } from "../graph/plan/plan.js";
import type { Parameters } from "../graph/trace/parameters.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { OFFICIAL, type TrainerConfig } from "../train/config.js";
import { Networks } from "../train/networks.js";
import { Optimisers, type RecordedStep, recordStep } from "../train/record_step.js";
import { type Batch, dataOf, readBatch, shapesOf } from "./batch.js";
import { type Entry, ManifestError } from "./entry.js";
import { gradientName, type Results, type Tensors } from "./graph_case.js";
import { adamSettings } from "./optimiser.js";
import { difference, fillParameters, readAll } from "./parameters.js";
import type { Trial } from "./trial.js";

export async function runGan(trial: Trial): Promise<void> {
  const { entry, set, device } = trial;
  const batch = await readBatch(trial);
  const hyper = hyperOf(trial);
  const config = configOfCase(batch, hyper);
  const networks = new Networks(config, batch.hr.shape[2]);
  const { parameters } = networks;
  try {
    for (const [name, list] of entry.entries("params"))
      await fillParameters(device, parameterSet(networks, name), set.parameters(list));
    const before = await readNetworks(parameters);
    const results = await runStep(trial, networks, config, batch);
    const after = await readNetworks(parameters);
    compareScalars(trial, results);
    await compareOutputs(trial, results);
    await compareGradients(trial, results);
    await compareParameters(trial, before, after);
  } finally {
    networks.dispose();
  }
}

/** The trainer's configuration for the case. */
function configOfCase({ hr }: Batch, hyper: (name: string) => Entry): TrainerConfig {
  const weight = lossWeights(hyper("losses").text("losses"));
  const betas = (name: string) => adamSettings(hyper(name).entry(name)).betas;
  return {
    ...OFFICIAL,
    ...{ batch: hr.shape[0], rec: weight("L1"), per: weight("perceptual"), adv: weight("adversarial") },
    ...{ betas: betas("adam_g"), discriminatorBetas: betas("adam_d") },
  };
}

async function readNetworks({ generator, discriminator }: Networks["parameters"]): Promise<Values> {
  return { generator: await readAll(generator!), discriminator: await readAll(discriminator!) };
}

function parameterSet({ parameters }: Networks, name: string): Parameters {
  const found = Object.entries(parameters).find(([known]) => known === name)?.[1];
  if (!found) throw new ManifestError(`there is no network ${name}`, "Correct the manifest");
  return found;
}

/** Match indices, and what else a case leaves to the one it is a variant of. */
function origin({ entry, set }: Trial): Entry {
  const name = entry.entry("hyper").text("same_as", "");
  if (!name) return entry;
  const found = set.cases.find((golden) => golden.name === name);
  if (!found) throw new ManifestError(`${entry.where} refers to case ${name}, which is missing`, "Copy the whole set");
  return found.entry;
}

/** The hyperparameter of the case, else of the case it is a variant of. */
function hyperOf(trial: Trial): (name: string) => Entry {
  return (name) => (trial.entry.entry("hyper").has(name) ? trial.entry : origin(trial)).entry("hyper");
}

type LossWeights = (name: string) => number;

/** "1*L1 + 5e-3*adversarial" as weights by name. */
function lossWeights(text: string): LossWeights {
  const weights = new Map([...text.matchAll(/([\d.e+-]+)\*(\w+)/g)].map(([, weight, name]) => [name!, Number(weight)]));
  return (name) => weights.get(name) ?? 0;
}

/** What is compared, by the names of the manifest. */
function compared(networks: Networks, { sr, losses, logits: passes, features, gradients }: RecordedStep): Tensors {
  const { generator, discriminator } = networks.parameters;
  const named = (parameters: Parameters | undefined, prefix: string, tensors: readonly Tensor[]) =>
    Object.fromEntries(parameters!.trainable.map(({ name }, i) => [`${prefix} ${gradientName(name)}`, tensors[i]!]));
  return {
    ...{
      l1: losses.rec!,
      perceptual: losses.per!,
      adversarial_g: losses.adv!,
      d_loss: losses.dis!,
      total: losses.total!,
    },
    out: sr,
    "vgg_conv5_4(out)": features!,
    ...Object.fromEntries(passes.map((pass, i) => [logits(i), pass])),
    ...named(generator, "g", gradients.generator),
    ...named(discriminator, "d", gradients.discriminator),
  };
}

/** The discriminator's output in its forward pass `i` of five. */
function logits(i: number): string {
  return `logits ${i}`;
}

async function runStep(trial: Trial, networks: Networks, config: TrainerConfig, batch: Batch): Promise<Results> {
  const { device } = trial;
  const [coarse, fine] = [await readIndices(trial, "coarse_index"), await readIndices(trial, "fine_index")];
  const index = (shape: readonly number[]) => ({ shape, dtype: "i32" as const });
  const specs = { ...shapesOf(batch), coarseIndex: index(coarse.shape), fineIndex: index(fine.shape) };
  const optimisers = new Optimisers(networks, config);
  const hyper = hyperOf(trial);
  const rate = (name: string) => adamSettings(hyper(name).entry(name)).lr;
  optimisers.generator.lr = rate("adam_g");
  optimisers.discriminator!.lr = rate("adam_d");
  try {
    await optimisers.allocate(device);
    const plan = await compile(device, specs, (inputs) =>
      compared(networks, recordStep(networks, optimisers, config, inputs)),
    );
    try {
      const data = { ...dataOf(batch), coarseIndex: coarse.data, fineIndex: fine.data };
      const results = withoutShapes(await plan.run(data, trial.watch("")));
      for (const optimiser of [optimisers.discriminator!, optimisers.generator])
        if (!optimiser.updated) trial.fail((await optimiser.fault()) ?? "the update", "is NaN or infinite");
      return results;
    } finally {
      plan.dispose();
    }
  } finally {
    optimisers.dispose();
  }
}

/** Golden matches, from the case itself or from the one it is a variant of. */
async function readIndices(trial: Trial, name: string) {
  const source = origin(trial);
  const spec = source.entry(name);
  const values =
    source === trial.entry
      ? await trial.values(spec)
      : (await trial.set.tensor(source.text("file"), spec.text("key"))).data;
  return { shape: spec.shape(), data: Int32Array.from(values) };
}

function compareScalars(trial: Trial, results: Results): void {
  for (const [name, spec] of trial.entry.entries("scalars")) {
    const value = results[name]?.[0];
    if (value === undefined) trial.fail(name, "was not computed");
    else trial.compareScalar(name, spec, value);
  }
}

async function compareOutputs(trial: Trial, results: Results): Promise<void> {
  const { entry } = trial;
  const passes = [0, 1, 2, 3, 4].flatMap((i) => [...results[logits(i)]!]);
  for (const [name, spec] of entry.entries("outputs")) {
    if (spec.has("summary_of")) await trial.compareSummaries(name, spec, (tensor) => results[tensor]);
    else await trial.compare(name, spec, name === "d_logits" ? passes : undefined);
  }
  // Says which of the given matches were near ties; nothing to compare.
  if (entry.has("fine_margin")) await trial.values(entry.entry("fine_margin"));
}

async function compareGradients(trial: Trial, results: Results): Promise<void> {
  const { entry } = trial;
  for (const [network, prefix] of [
    ["generator", "g"],
    ["discriminator", "d"],
  ] as const) {
    const got = (name: string) => results[`${prefix} ${gradientName(name)}`];
    for (const [name, spec] of entry.entries(`${network}_grads`))
      await trial.compare(`${prefix} grad ${name}`, spec, got(name));
    const summary = `${network}_grads_summary`;
    if (entry.has(summary)) await trial.compareSummaries(`${prefix} grad`, entry.entry(summary), got);
  }
}

type Values = Readonly<Record<"generator" | "discriminator", ReadonlyMap<string, Float32Array>>>;

/**
 * Adam's first step is the learning rate times the gradient's sign: where a gradient is rounding noise, a parameter moves
 * either way. So the changes are information (the set's notes say the same), and running statistics are judged.
 */
async function compareParameters(trial: Trial, before: Values, after: Values): Promise<void> {
  const { entry } = trial;
  for (const network of ["generator", "discriminator"] as const) {
    const summary = `${network}_change_summary`;
    const change = (name: string) => difference(after[network].get(name), before[network].get(name));
    if (entry.has(summary)) await trial.compareSummaries(summary, entry.entry(summary), change, { gates: () => false });
  }
  const statistics = "discriminator_running_stats_summary";
  if (entry.has(statistics))
    await trial.compareSummaries(statistics, entry.entry(statistics), (name) => after.discriminator.get(name));
}
