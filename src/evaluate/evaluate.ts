/**
 * The paper's evaluation (section 4.1): the metrics of what the network makes of a test set, beside those of bicubic
 * enlargement. As officially, the network's output is rounded to 8 bits, what padding added is cut off, and the
 * rest is compared with the original to its very border.
 *
 * A case has two parts, so that a trainer which validates again and again does the first only once: `prepareCases` reads
 * and pads the images and measures bicubic; `evaluatePrepared` runs the network. `evaluate` does both, one case at a time.
 */

import { readCase } from "../data/cases.js";
import { DataError } from "../data/errors.js";
import type { Case, TestData } from "../data/layouts.js";
import { ALONE, type Workforce } from "../data/workforce.js";
import { MasaError } from "../errors.js";
import type { Device } from "../gpu/device.js";
import { fill } from "../graph/ops/pointwise.js";
import { PlanCache } from "../graph/plan/plan_cache.js";
import type { Tensors } from "../graph/trace/tensor.js";
import { cropImage, type Image } from "../image/image.js";
import type { TestPair } from "../image/pairs.js";
import { resizeBicubic } from "../image/resize.js";
import type { Box } from "../image/zoom.js";
import type { FloatStorage } from "../kernels/kernel.js";
import { checkEnsemble, type Ensemble, EnsembleRunner } from "../masa/ensemble.js";
import type { Masa, MasaInputs } from "../masa/masa.js";
import { pictureOf, planesOf, similarityOf } from "../upscale/network.js";
import { type BicubicScores, meanOf, NO_IMAGE, type Scores, scoreBicubic, scoreImage } from "./scores.js";

/** Which test cases are used, with which reference. */
export interface CaseSelection {
  /** Which reference: CUFED5's 1 (default) is most similar, "all" stacks them; Urban100 has no choice. */
  readonly level?: number | "all" | undefined;
  /** Only the first cases; default all. */
  readonly limit?: number | undefined;
  /** "raw" evaluates the values in the files, whatever their colour profiles; default "srgb" (see `ReadOptions`). */
  readonly colours?: "srgb" | "raw" | undefined;
}

/** How an evaluation is watched and stopped. */
export interface EvaluateOptions {
  /** How the network stores most features (see `MasaOptions`). Default f32. */
  readonly storage?: FloatStorage | undefined;
  /** The processes that share the cases, each with its own device and network; default this one alone. */
  readonly workforce?: Workforce | undefined;
  /** False: the decoder gets zeros in place of the reference's features, as `dropReference` trains it. Default true. */
  readonly reference?: boolean | undefined;
  /** Averages over 4 or 8 orientations (see `UpscalerOptions`). Default 1. */
  readonly ensemble?: Ensemble | undefined;
  readonly signal?: AbortSignal | undefined;
  /** After each case, in the order in which they are done; only in the workforce's chief. */
  readonly onCase?: ((result: CaseResult, done: number, total: number) => void) | undefined;
  /** Gets the network's image, cut to the size of the original, before `onCase`; not where the network gave no numbers. */
  readonly onImage?: ((test: PreparedCase, image: Image, index: number) => Promise<void> | void) | undefined;
}

/** A case made ready for the network, with all that does not depend on the network. */
export interface PreparedCase extends TestPair {
  readonly name: string;
  /** The LR image enlarged by Pillow's bicubic, cut to the size of the original. */
  readonly bicubic: Image;
  readonly bicubicScores: BicubicScores;
}

/** The scores of the network's image are NaN where its output holds a value that is infinite or NaN. */
export interface CaseResult extends Scores {
  readonly name: string;
}

/** The scores of every case, and their means. */
export interface CaseResults {
  readonly cases: readonly CaseResult[];
  readonly mean: Scores;
}

/** What `evaluate` found. */
export interface Evaluation extends CaseResults {
  readonly layout: TestData["layout"];
  readonly level: number | "all";
}

/** The chosen cases, each with only the references that will be used. Throws `DataError` where cases lack the level. */
export function selectCases({ layout, cases }: TestData, { level = 1, limit }: CaseSelection = {}): TestData {
  const chosen = cases.slice(0, limit);
  if (level === "all" || layout === "Urban100") return { layout, cases: chosen };
  const lacking = chosen.filter(({ refs }) => refs[level - 1] === undefined);
  if (lacking.length > 0) {
    const most = Math.min(...chosen.map(({ refs }) => refs.length));
    const faults = lacking.map(({ name, refs }) => `${name} has ${refs.length}`);
    const problem = `${lacking.length} of ${chosen.length} test images have no reference ${level}`;
    throw new DataError(problem, `Choose one of 1 to ${most}:`, faults);
  }
  return { layout, cases: chosen.map((one) => ({ ...one, refs: [one.refs[level - 1] as string] })) };
}

/** Reads and prepares all chosen cases, to be evaluated repeatedly: each holds its images in memory. */
export async function prepareCases(data: TestData, selection: CaseSelection = {}): Promise<PreparedCase[]> {
  const prepared: PreparedCase[] = [];
  const chosen = selectCases(data, selection);
  for (const one of chosen.cases) prepared.push(await prepareNamed(chosen.layout, one, selection));
  return prepared;
}

function prepareNamed(layout: TestData["layout"], one: Case, { level, colours }: CaseSelection): Promise<PreparedCase> {
  return naming(one.name, prepareCase(layout, one, level === "all" ? "all" : 1, colours));
}

async function prepareCase(
  layout: TestData["layout"],
  one: Case,
  level: 1 | "all",
  colours: CaseSelection["colours"],
): Promise<PreparedCase> {
  const pair = await readCase(layout, one, level, colours);
  const { left, top, width, height } = partOf(pair);
  const bicubic = cropImage(resizeBicubic(pair.lr, pair.hr.width, pair.hr.height), left, top, width, height);
  return { ...pair, name: one.name, bicubic, bicubicScores: scoreBicubic(bicubic, pair.original) };
}

/**
 * Evaluates `masa` on a test set. One case and one plan are held at a time; the GPU memory of the plan is free again
 * at the end. A signal makes the runs wait for every few dispatches, which costs a little time on fast GPUs. Throws
 * `DataError`, `ImageError`, `LimitError`, `OutOfGpuMemoryError`, all with the case's name, or the signal's reason.
 */
export async function evaluate(
  device: Device,
  masa: Masa,
  data: TestData,
  { level = 1, limit, colours, ...options }: CaseSelection & EvaluateOptions = {},
): Promise<Evaluation> {
  const { layout, cases } = selectCases(data, { level, limit });
  const prepare = (index: number) => prepareNamed(layout, cases[index] as Case, { level, colours });
  return { layout: data.layout, level, ...(await score(device, masa, cases.length, prepare, options)) };
}

/** The part of `evaluate` that depends on the network. */
export function evaluatePrepared(
  device: Device,
  masa: Masa,
  cases: readonly PreparedCase[],
  options: EvaluateOptions = {},
): Promise<CaseResults> {
  return score(device, masa, cases.length, (index) => cases[index] as PreparedCase, options);
}

async function score(
  device: Device,
  masa: Masa,
  total: number,
  prepare: (index: number) => PreparedCase | Promise<PreparedCase>,
  { storage = "f32", ensemble = 1, reference = true, workforce = ALONE, signal, onCase, onImage }: EvaluateOptions,
): Promise<CaseResults> {
  checkEnsemble(ensemble);
  const network = new Network(device, masa, { storage, reference }, ensemble);
  const results = new Map<number, CaseResult>();
  const measure = async (index: number): Promise<CaseResult> => {
    signal?.throwIfAborted();
    const test = await prepare(index);
    const { image, ...measured } = await naming(test.name, network.run(test, signal));
    if (image) await onImage?.(test, image, index);
    const scores = image ? scoreImage(image, test.bicubic, test.original) : NO_IMAGE;
    return { name: test.name, ...scores, ...test.bicubicScores, ...measured };
  };
  try {
    await workforce.each(total, measure, (index, result) => {
      results.set(index, result);
      onCase?.(result, results.size, total);
      signal?.throwIfAborted();
    });
  } finally {
    network.dispose();
  }
  const cases = await workforce.share([...results].sort(([a], [b]) => a - b).map(([, result]) => result));
  return { cases, mean: meanOf(cases) };
}

/** Most GPU memory of a plan for several orientations at once. */
const BATCH_BYTES = 256 * 2 ** 20;

/** The network on cases of any sizes. The plan of the last sizes is kept. */
class Network {
  readonly #plans: PlanCache<MasaInputs, Tensors<"sr" | "similarity">>;
  readonly #runner: EnsembleRunner<"similarity">;

  constructor(
    device: Device,
    masa: Masa,
    { storage, reference }: { readonly storage: FloatStorage; readonly reference: boolean },
    readonly ensemble: Ensemble,
  ) {
    const build = (inputs: MasaInputs) => {
      const absent = { present: fill([inputs.lr.shape[0] as number, 1, 1, 1], 0) };
      const { sr, matches } = masa.forward(inputs, { storage, ...(!reference && absent) });
      return { sr, similarity: matches.fineScore };
    };
    this.#plans = new PlanCache(device, build, 0);
    this.#runner = new EnsembleRunner(this.#plans, BATCH_BYTES);
  }

  /** No image where the result has values that are infinite or NaN. */
  async run(test: PreparedCase, signal?: AbortSignal) {
    const { sr, similarity, milliseconds } = await this.#runner.run(planesOf(test), this.ensemble, { signal });
    const image = pictureOf(sr, test.lr, { part: partOf(test) });
    return { image, similarity: similarityOf(similarity), milliseconds };
  }

  dispose(): void {
    this.#plans.dispose();
  }
}

/** Where the original lies in the padded HR. */
function partOf({ padding: { left, top }, original: { width, height } }: TestPair): Box {
  return { left, top, width, height };
}

/** Puts the case's name before the message of an error: which of hundreds of images was too large? */
async function naming<T>(name: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const ours = error instanceof MasaError;
    if (ours && !error.message.includes(name)) error.message = `${name}: ${error.message}`;
    throw error;
  }
}
