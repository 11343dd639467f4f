/** What a run trains and validates on: the data of its configuration, every file checked before the first step. */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { type CheckOptions, checkCases, checkPairs } from "../data/check.js";
import { DataError } from "../data/errors.js";
import { findTestData, findTrainingData, type Pair, type TestData } from "../data/layouts.js";
import { selectCases } from "../evaluate/evaluate.js";
import type { TrainConfig } from "./config.js";
import { SOLO, type Team } from "./team.js";

export interface TrainingSet {
  readonly pairs: readonly Pair[];
  /** The cases that validate; none if none are wanted. */
  readonly test: TestData;
  /** Of the pairs' names in their order: a run that goes on must have the same. */
  readonly hash: string;
}

/**
 * Finds and checks pairs and test cases. Without `validate` the test set is the data's own (CUFED5's `test`); where it has
 * none, the last pairs are held out. Each process of a team checks its share of the pairs, the first the test cases. Throws
 * `DataError` with all faults.
 */
export async function readTrainingSet(
  config: TrainConfig,
  options: CheckOptions,
  { rank, size }: Pick<Team, "rank" | "size"> = SOLO,
): Promise<TrainingSet> {
  const { pairs: all } = await findTrainingData(config.data);
  const found = config.validateCases > 0 ? await findCases(config) : NO_CASES;
  const held = found ?? holdOut(all, config);
  const pairs = found ? all : all.slice(0, all.length - held.cases.length);
  const test = selectCases(held, { limit: config.validateCases });
  const own = pairs.filter((_, i) => i % size === rank);
  await checkPairs(own, config.size, options);
  if (test.cases.length > 0 && rank === 0) await checkCases(test.cases, options);
  const names = JSON.stringify(pairs.map(({ name }) => name));
  return { pairs, test, hash: createHash("sha256").update(names).digest("hex") };
}

const NO_CASES: TestData = { layout: "pairs.csv", cases: [] };

async function findCases({ data, validate }: TrainConfig): Promise<TestData | undefined> {
  if (validate !== null) return await findTestData(validate);
  try {
    const found = await findTestData(data);
    // Of other layouts the files may be the training pairs themselves.
    return found.layout === "CUFED5" ? found : undefined;
  } catch (error) {
    if (error instanceof DataError) return undefined;
    throw error;
  }
}

function holdOut(pairs: readonly Pair[], { batch, validateCases }: TrainConfig): TestData {
  const spare = Math.max(0, Math.min(validateCases, pairs.length - batch));
  const cases = pairs.slice(pairs.length - spare).map(({ name, hr, ref }) => ({ name, hr, refs: [ref] }));
  return { layout: "pairs.csv", cases };
}

/** Names and sizes of all files of the pairs, as a hash: what processes on several hosts must have in common. */
export async function fingerprint(pairs: readonly Pair[]): Promise<string> {
  const hash = createHash("sha256");
  for (const { name, hr, ref } of pairs) {
    const [a, b] = await Promise.all([stat(hr), stat(ref)]);
    hash.update(`${JSON.stringify([name, a.size, b.size])}\n`);
  }
  return hash.digest("hex");
}
