/**
 * The whole network, fused and unfused: with the golden matches handed in (a match that
 * rounding flips would move everything after it), and matching by itself.
 */

import { l1Loss } from "../graph/ops/l1_loss.js";
import { add, mul } from "../graph/ops/pointwise.js";
import { compile, type Data, dataOf, type Result } from "../graph/plan/plan.js";
import { grad } from "../graph/trace/grad.js";
import { fromTensor } from "../image/image.js";
import { psnrY, ssimY } from "../image/metrics.js";
import { Masa } from "../masa/masa.js";
import type { Implementation, Matches } from "../masa/matching.js";
import { type Batch, MatchProbe, readBatch } from "./batch.js";
import type { Values } from "./compare.js";
import { UnsupportedError } from "./entry.js";
import { buildTensor } from "./formula.js";
import { compareParameterGradients, parameterNames, type Tensors } from "./graph_case.js";
import { fillParameters } from "./parameters.js";
import type { Trial } from "./trial.js";

const IMPLEMENTATIONS = ["fused", "unfused"] as const;

/** Levels that the official code computes and nothing uses. */
const UNUSED = /^enc\(ref_down\)\/L[23]$/;

export async function runNetwork(trial: Trial): Promise<void> {
  const { golden, entry, set, device } = trial;
  if (golden.op !== "MASA") throw new UnsupportedError(`network ${golden.op} is unknown`);
  const hyper = entry.entry("hyper");
  hyper.only({ num_nbr: 1, sr_scale: 4, input_nc: 3 });
  const masa = new Masa({ channels: hyper.number("nf") });
  try {
    await fillParameters(device, masa.parameters, set.parameters(entry.entry("params")));
    const batch = await readBatch(trial);
    for (const implementation of IMPLEMENTATIONS) {
      const results = await runImplementation(trial, masa, batch, implementation);
      const label = implementation === "fused" ? "" : `${implementation} `;
      await compareNetwork(trial, batch, results, label);
      await compareMatching(trial, results, label);
    }
  } finally {
    masa.parameters.dispose();
  }
}

interface NetworkResults {
  readonly sr: Float32Array;
  readonly loss: number;
  /** By the names of `MasaOptions.probe`. */
  readonly layers: Readonly<Record<string, Result>>;
  /** What the network matches by itself. */
  readonly own: Readonly<Record<keyof Matches, Data>>;
  /** By the names of the parameters. */
  readonly gradients: ReadonlyMap<string, Data>;
}

async function runImplementation(
  trial: Trial,
  masa: Masa,
  batch: Batch,
  implementation: Implementation,
): Promise<NetworkResults> {
  const { entry, device } = trial;
  const matching = entry.entry("matching");
  const golden = { coarse: matching.entry("coarse_index"), fine: matching.entry("fine_index") };
  const target = entry.has("target") ? buildTensor(entry.entry("target")) : batch.hr;
  const index = (shape: readonly number[]) => ({ shape, dtype: "i32" as const });
  const { lr, ref, refDown } = batch;
  const specs = {
    lr: lr.shape,
    ref: ref.shape,
    refDown: refDown.shape,
    target: target.shape,
    coarseIndex: index(golden.coarse.shape()),
    fineIndex: index(golden.fine.shape()),
    decided: target.shape,
    given: target.shape,
  };
  const names = parameterNames(trial);
  const plan = await compile(device, specs, ({ target, coarseIndex, fineIndex, decided, given, ...inputs }) => {
    const seen = new MatchProbe();
    const { sr } = masa.forward(inputs, { implementation, coarseIndex, fineIndex, probe: seen.probe });
    const loss = l1Loss(sr, target);
    const variables = names.map((name) => masa.parameters.get(name));
    const [side] = grad(loss, [sr]);
    const gradients = grad([sr], variables, [add(mul(side!, decided), given)]);
    const layers: Tensors = Object.fromEntries(seen.tensors);
    return { sr, loss, layers, own: seen.ownMatches(masa, { implementation }), gradients };
  });
  try {
    const data = {
      lr: lr.data,
      ref: ref.data,
      refDown: refDown.data,
      target: target.data,
      coarseIndex: Int32Array.from(await trial.values(golden.coarse)),
      fineIndex: Int32Array.from(await trial.values(golden.fine)),
      ...(await lossSides(trial, target.data)),
    };
    const { sr, loss, layers, own, gradients } = await plan.run(data, trial.watch(implementation));
    return {
      sr: sr.floats,
      loss: loss.item(),
      layers,
      own: dataOf(own),
      gradients: new Map(gradients.map(({ data }, i) => [names[i] as string, data])),
    };
  } finally {
    plan.dispose();
  }
}

/**
 * The L1 loss has the gradient ±1/n by the side of its target on which a value lies. Where the golden value lies nearer than
 * the output's own tolerance, rounding decides the side, and one element moves all gradients by 1e-4: such an element is
 * given the golden side, as near ties are given the golden match. `decided` is 1 elsewhere and 0 there, `given` the side.
 */
async function lossSides(trial: Trial, target: ArrayLike<number>): Promise<Record<"decided" | "given", Float32Array>> {
  const sides = { decided: new Float32Array(target.length).fill(1), given: new Float32Array(target.length) };
  const outputs = trial.entry.entry("outputs");
  const out = outputs.has("out") ? outputs.entry("out") : undefined;
  if (!out?.has("key") || !out.has("tol_abs")) return sides;
  const tolerance = out.number("tol_abs");
  for (const [i, value] of Array.from(await trial.values(out)).entries()) {
    const difference = value - target[i]!;
    if (difference === 0 || Math.abs(difference) > tolerance) continue;
    sides.decided[i] = 0;
    sides.given[i] = Math.sign(difference) / target.length;
  }
  return sides;
}

async function compareNetwork(trial: Trial, batch: Batch, results: NetworkResults, label: string): Promise<void> {
  const { entry } = trial;
  for (const [name, spec] of entry.entries("outputs"))
    await trial.compare(label + name, spec, name === "out" ? results.sr : undefined);
  if (entry.has("intermediates_summary"))
    await trial.compareSummaries(
      `${label}layer`,
      entry.entry("intermediates_summary"),
      (name) => results.layers[name]?.data,
      { skip: (name) => UNUSED.test(name) },
    );
  await compareParameterGradients(trial, (name) => results.gradients.get(name), label);
  for (const [name, spec] of entry.entries("scalars")) {
    const got = scalar(name, batch, results);
    if (got === undefined) trial.fail(label + name, "was not computed");
    else trial.compareScalar(label + name, spec, got);
  }
}

/** The loss, or a measure of each result against its high-resolution image. */
function scalar(name: string, { hr }: Batch, results: NetworkResults): number | number[] | undefined {
  if (name === "loss") return results.loss;
  const measure = { psnr_y: psnrY, ssim_y: ssimY }[name];
  return (
    measure &&
    hr.images.map((image, i) => {
      const size = 3 * image.width * image.height;
      const pixels = results.sr.subarray(i * size, (i + 1) * size);
      return measure(fromTensor(pixels, image.width, image.height), image);
    })
  );
}

async function compareMatching(trial: Trial, results: NetworkResults, label: string): Promise<void> {
  const matching = trial.entry.entry("matching");
  const golden = (name: string) => trial.values(matching.entry(name));
  const [coarseMargin, fineMargin, coarseIndex] = [
    await golden("coarse_margin"),
    await golden("fine_margin"),
    await golden("coarse_index"),
  ];
  // Where rounding decided another block match, the fine search looked elsewhere.
  const found = results.own.coarseIndex;
  const perBlock = fineMargin.length / coarseIndex.length;
  const comparable = (i: number) => found[Math.floor(i / perBlock)] === coarseIndex[Math.floor(i / perBlock)];
  const fine = {
    index: await replaceUnless(comparable, results.own.fineIndex, golden("fine_index")),
    score: await replaceUnless(comparable, results.own.fineScore, golden("fine_score")),
  };
  const own: Readonly<Record<string, readonly [got: Values | undefined, margin: Values]>> = {
    coarse_index: [found, coarseMargin],
    coarse_score: [results.own.coarseScore, coarseMargin],
    window_x1: [results.own.originX, coarseMargin],
    window_y1: [results.own.originY, coarseMargin],
    fine_index: [fine.index, fineMargin],
    fine_score: [fine.score, fineMargin],
  };
  for (const [name, spec] of trial.entry.entries("matching")) {
    if (name.endsWith("_margin")) continue;
    await trial.compare(`${label}own ${name}`, spec, own[name]?.[0], own[name]?.[1]);
  }
}

async function replaceUnless(keep: (i: number) => boolean, got: Values, golden: Promise<Values>): Promise<Values> {
  const want = await golden;
  return Array.from(got, (value, i) => (keep(i) ? value : want[i]!));
}
