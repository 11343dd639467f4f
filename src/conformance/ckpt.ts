/** Checkpoints of `torch.save`: structure, names, types, shapes and values against what PyTorch wrote beside them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readCheckpoint } from "../files/pytorch.js";
import type { CheckpointValue } from "../formats/pickle.js";
import { FileTensor } from "../formats/tensor.js";
import { check, compareEqual, compareValues } from "./compare.js";
import { Entry, ManifestError } from "./entry.js";
import type { Trial } from "./trial.js";

const DTYPES: Readonly<Record<FileTensor["dtype"], string>> = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
  I32: "int32",
  I16: "int16",
  I8: "int8",
  U8: "uint8",
  BOOL: "bool",
};

/** The sums are of float64 values in another order: rounding noise, far below any wrong element. */
const SUM_TOLERANCE = 1e-12;

export async function runCheckpoint(trial: Trial): Promise<void> {
  const { entry, set } = trial;
  const path = join(set.folder, entry.text("expected"));
  let expected: unknown;
  try {
    expected = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new ManifestError(`${path} is no JSON`, "Copy the set again", { cause });
  }
  const value = await readCheckpoint(join(set.folder, entry.text("file")));
  compareTree(trial, "", value, expected);
}

/** `expected` as JSON: an object for a dictionary (keys as texts), `{ tensor, shape, first, sum }` for a tensor. */
function compareTree(trial: Trial, where: string, value: CheckpointValue | undefined, expected: unknown): void {
  const name = where || "checkpoint";
  if (Array.isArray(expected)) {
    const list = Array.isArray(value) ? value : [];
    trial.checks.push(compareEqual(`${name} length`, [list.length], [expected.length]));
    for (const [i, item] of expected.entries()) compareTree(trial, `${where}[${i}]`, list[i], item);
  } else if (typeof expected !== "object" || expected === null) {
    trial.checks.push(check(name, "differing", value === expected ? 0 : 1, 0));
  } else if ("tensor" in expected) {
    compareTensor(trial, name, value, Entry.of(name, expected));
  } else {
    const items = new Map(value instanceof Map ? [...value].map(([key, item]) => [String(key), item]) : []);
    const keys = Object.keys(expected);
    trial.checks.push(check(`${name} keys`, "differing", differingKeys([...items.keys()], keys), 0));
    for (const [key, item] of Object.entries(expected))
      compareTree(trial, where ? `${where}.${key}` : key, items.get(key), item);
  }
}

/** Keys that stand elsewhere. A JSON object has whole numbers first and sorted, other keys in the order of the file. */
function differingKeys(found: readonly string[], expected: readonly string[]): number {
  const numbered = expected.some((key) => /^\d+$/.test(key));
  const order = numbered ? found.toSorted((a, b) => Number(a) - Number(b)) : found;
  return Array.from({ length: Math.max(order.length, expected.length) }, (_, i) => order[i] === expected[i]).filter(
    (same) => !same,
  ).length;
}

function compareTensor(trial: Trial, name: string, value: CheckpointValue | undefined, expected: Entry): void {
  const found = value instanceof FileTensor ? DTYPES[value.dtype] : "no tensor";
  if (!(value instanceof FileTensor) || found !== expected.text("tensor")) {
    trial.fail(name, `is ${found} instead of ${expected.text("tensor")}`);
    return;
  }
  trial.checks.push(compareEqual(`${name} shape`, value.shape, expected.shape()));
  const values = value.dtype === "F16" || value.dtype === "BF16" ? value.toFloat32() : value.data;
  const numbers = Float64Array.from(values as ArrayLike<number>, Number);
  const first = expected.numbers("first");
  trial.checks.push(compareEqual(`${name} first`, numbers.subarray(0, first.length), first));
  const sum = numbers.reduce((total, v) => total + v, 0);
  const size = numbers.reduce((total, v) => total + Math.abs(v), 0);
  const absolute = SUM_TOLERANCE * size;
  trial.checks.push(...compareValues(`${name} sum`, [sum], [expected.number("sum")], { absolute }));
}
