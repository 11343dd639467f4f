/**
 * For kernel authors: a shader of one's own beside the built-in one of its name, in the same cases and the same rounds. It
 * has the same bindings, parameters and constants. There is one device for each, since pipelines go by the shader's name.
 */
import { number } from "../src/cli/table.js";
import type { Device } from "../src/gpu/device.js";
import { Timestamps } from "../src/gpu/timestamps.js";
import { plan } from "../src/graph/plan/plan.js";
import { generator } from "../src/graph/trace/parameters.js";
import type { Arrays, Case } from "./case.js";
import { countShaders, type MeasureOptions, PASSES, type Result, Runner, takeRounds } from "./harness.js";
import { times } from "./report.js";
import { compareRounds, median } from "./statistics.js";

/** The shaders that a case's plan dispatches, found without compiling or taking memory. */
export function shadersOf(device: Device, { inputs, build }: Case): string[] {
  return Object.keys(countShaders(plan(device, inputs, build)));
}

/** One case with both shaders. */
export interface KernelResult {
  readonly builtIn: Result;
  readonly own: Result;
  /** Largest difference of any two outputs, as a part of the largest value. 0 are equal bits. */
  readonly difference: number;
}

/** Measures each pair of equal cases, the first on `builtIn`, the second on `own`. Throws what either cannot do. */
export async function compareKernels(
  builtIn: Device,
  own: Device,
  pairs: readonly (readonly [Case, Case])[],
  options: MeasureOptions,
): Promise<KernelResult[]> {
  const clocks = [await Timestamps.create(builtIn, PASSES), await Timestamps.create(own, PASSES)];
  const runners = pairs.map(([first, second], i) => [
    new Runner(builtIn, first, generator(1, i), clocks[0]),
    new Runner(own, second, generator(1, i), clocks[1]),
  ]) as [Runner, Runner][];
  try {
    const differences: number[] = [];
    for (const [first, second] of runners) {
      options.signal?.throwIfAborted();
      options.onStep?.(`compile and check ${first.subject.name}`);
      for (const runner of [first, second]) {
        await runner.prepare();
        const { failure } = runner.result();
        const whose = runner === first ? "the built-in shader" : "your shader";
        if (failure !== undefined) throw new Error(`${whose} in ${runner.subject.name}: ${failure}`);
      }
      const inputs = first.draw();
      differences.push(largestDifference(await first.run(inputs), await second.run(inputs)));
    }
    await takeRounds(runners.flat(), options);
    return runners.map(([first, second], i) => ({
      ...{ builtIn: first.result(), own: second.result() },
      difference: differences[i] as number,
    }));
  } finally {
    for (const runner of runners.flat()) runner.dispose();
    for (const clock of clocks) clock?.dispose();
  }
}

function largestDifference(expected: Arrays, got: Arrays): number {
  let [difference, largest] = [0, Number.MIN_VALUE];
  for (const [name, values] of Object.entries(expected))
    for (const [i, value] of values.entries()) {
      largest = Math.max(largest, Math.abs(value));
      difference = Math.max(difference, Math.abs(value - (got[name]?.[i] as number)));
    }
  return difference / largest;
}

export const KERNEL_COLUMNS = ["case", "built-in", "own", "ratio", "from", "to", "difference", "verdict"] as const;

export function kernelRows(results: readonly KernelResult[]): string[][] {
  return results.map(({ builtIn, own, difference }) => {
    const { ratio, low, high, verdict } = compareRounds(times(builtIn), times(own));
    const medians = [builtIn, own].map((result) => `${number(median(times(result)))} ms`);
    return [builtIn.name, ...medians, ...[ratio, low, high].map(number), difference.toPrecision(2), verdict];
  });
}
