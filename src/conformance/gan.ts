/**
 * One step of the full objective: reconstruction, perceptual and relativistic adversarial loss. Five forward passes of the
 * discriminator, in the official order, each moving its running statistics.
 */
import { grad } from "../graph/grad.js";
import { ADAM_HYPER_LENGTH, adam } from "../graph/ops/adam.js";
import { bceWithLogits } from "../graph/ops/bce_with_logits.js";
import { l1Loss } from "../graph/ops/l1_loss.js";
import { add, scale, sub } from "../graph/ops/pointwise.js";
import { mean } from "../graph/ops/reduce.js";
import { Parameters } from "../graph/parameters.js";
import { compile } from "../graph/plan.js";
import type { Tensor } from "../graph/tensor.js";
import { detach, reshape } from "../graph/view.js";
import { Discriminator } from "../masa/discriminator.js";
import { Masa } from "../masa/masa.js";
import { Vgg19 } from "../masa/vgg.js";
import { type Batch, readBatch } from "./batch.js";
import { type Entry, ManifestError } from "./entry.js";
import { gradientName, type Results, type Tensors } from "./graph_case.js";
import { adamStep } from "./optimiser.js";
import { declareMoments, difference, fillParameters, readAll } from "./parameters.js";
import type { Trial } from "./trial.js";

/** Half the cross-entropy of `logits` measured against the mean of the `others`. */
export function relativistic(logits: Tensor, others: Tensor, label: number): Tensor {
  return scale(bceWithLogits(sub(logits, reshape(mean(others), [1])), label), 0.5);
}

interface Networks {
  readonly masa: Masa;
  readonly vgg: Vgg19;
  readonly discriminator: Discriminator;
  readonly parameters: Readonly<Record<"generator" | "vgg" | "discriminator", Parameters>>;
}

export async function runGan(trial: Trial): Promise<void> {
  const { entry, set, device } = trial;
  const batch = await readBatch(trial);
  const networks = declareNetworks(batch);
  const { parameters } = networks;
  const moments = new Parameters();
  try {
    for (const [name, list] of entry.entries("params"))
      await fillParameters(device, parameterSet(networks, name), set.parameters(list));
    const before = {
      generator: await readAll(parameters.generator),
      discriminator: await readAll(parameters.discriminator),
    };
    const results = await runStep(trial, networks, batch, moments);
    const after = {
      generator: await readAll(parameters.generator),
      discriminator: await readAll(parameters.discriminator),
    };
    compareScalars(trial, results);
    await compareOutputs(trial, results);
    await compareGradients(trial, results);
    await compareParameters(trial, before, after);
  } finally {
    for (const set of [...Object.values(parameters), moments]) set.dispose();
  }
}

function declareNetworks({ hr }: Batch): Networks {
  const parameters = { generator: new Parameters(), vgg: new Parameters(), discriminator: new Parameters() };
  return {
    parameters,
    masa: new Masa({}, parameters.generator),
    vgg: new Vgg19(parameters.vgg, "conv5_4"),
    discriminator: new Discriminator(parameters.discriminator, hr.shape[2]),
  };
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

type Images = Record<"lr" | "ref" | "refDown" | "hr", Tensor>;
type Indices = Record<"coarseIndex" | "fineIndex", Tensor>;

/** Records the step; all that can be compared comes out by name. */
function recordStep({ masa, vgg, discriminator, parameters }: Networks, moments: Parameters, weight: LossWeights) {
  const [variablesG, variablesD] = [parameters.generator.trainable, parameters.discriminator.trainable];
  const [momentsG, momentsD] = [declareMoments(moments, variablesG), declareMoments(moments, variablesD)];
  return (images: Images, indices: Indices, adamG: Tensor, adamD: Tensor): Tensors => {
    const { hr } = images;
    const { sr } = masa.forward(images, indices);
    const fake = detach(sr);

    // The discriminator's step: each side of its loss sees the other side's mean as a constant.
    const fakeBefore = discriminator.forward(fake);
    const real = discriminator.forward(hr);
    const fakeAgain = discriminator.forward(fake);
    const lossD = add(relativistic(real, detach(fakeBefore), 1), relativistic(fakeAgain, detach(real), 0));
    const gradientsD = grad(lossD, variablesD);
    adam(variablesD, gradientsD, momentsD, adamD);

    // The generator's: here the mean over the fakes has a gradient.
    const realAfter = detach(discriminator.forward(hr));
    const fakeAfter = discriminator.forward(sr);
    const adversarial = add(relativistic(realAfter, fakeAfter, 0), relativistic(fakeAfter, realAfter, 1));
    const l1 = l1Loss(sr, hr);
    const features = vgg.forward(sr);
    const perceptual = l1Loss(features, detach(vgg.forward(hr)));
    const losses = { L1: l1, perceptual, adversarial };
    const total = Object.entries(losses)
      .map(([name, loss]) => scale(loss, weight(name)))
      .reduce(add);
    const gradientsG = grad(total, variablesG);
    adam(variablesG, gradientsG, momentsG, adamG);

    return {
      l1,
      perceptual,
      adversarial_g: adversarial,
      d_loss: lossD,
      total,
      out: sr,
      "vgg_conv5_4(out)": features,
      ...Object.fromEntries([fakeBefore, real, fakeAgain, realAfter, fakeAfter].map((pass, i) => [logits(i), pass])),
      ...Object.fromEntries(variablesG.map(({ name }, i) => [`g ${gradientName(name)}`, gradientsG[i]!])),
      ...Object.fromEntries(variablesD.map(({ name }, i) => [`d ${gradientName(name)}`, gradientsD[i]!])),
    };
  };
}

/** The discriminator's output in its forward pass `i` of five. */
function logits(i: number): string {
  return `logits ${i}`;
}

async function runStep(trial: Trial, networks: Networks, batch: Batch, moments: Parameters): Promise<Results> {
  const { device } = trial;
  const hyper = hyperOf(trial);
  const step = recordStep(networks, moments, lossWeights(hyper("losses").text("losses")));
  await moments.allocate(device);
  const [coarse, fine] = [await readIndices(trial, "coarse_index"), await readIndices(trial, "fine_index")];
  const { lr, ref, refDown, hr } = batch;
  const specs = {
    lr: lr.shape,
    ref: ref.shape,
    refDown: refDown.shape,
    hr: hr.shape,
    coarseIndex: coarse.spec,
    fineIndex: fine.spec,
    adamG: [ADAM_HYPER_LENGTH],
    adamD: [ADAM_HYPER_LENGTH],
  };
  const plan = await compile(device, specs, ({ coarseIndex, fineIndex, adamG, adamD, ...images }) =>
    step(images, { coarseIndex, fineIndex }, adamG, adamD),
  );
  try {
    const data = {
      lr: lr.data,
      ref: ref.data,
      refDown: refDown.data,
      hr: hr.data,
      coarseIndex: coarse.data,
      fineIndex: fine.data,
      adamG: adamStep(hyper("adam_g").entry("adam_g"), 1),
      adamD: adamStep(hyper("adam_d").entry("adam_d"), 1),
    };
    return await plan.run(data, trial.watch(""));
  } finally {
    plan.dispose();
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
  return { spec: { shape: spec.shape(), dtype: "i32" as const }, data: Int32Array.from(values) };
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
