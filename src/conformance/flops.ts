/** Parameters and arithmetic of the network, to the digit; no GPU is involved. */

import { SCALE } from "../image/pairs.js";
import { countFlops, type NetworkFlops } from "../masa/flops.js";
import { Masa } from "../masa/masa.js";
import { compareValues } from "./compare.js";
import type { Entry } from "./entry.js";
import type { Trial } from "./trial.js";

export function runFlops(trial: Trial): void {
  const { entry } = trial;
  compareNumbers(trial, "parameters", entry.entry("parameters"), countParameters());
  for (const counts of entry.list("counts")) {
    const [lr, ref] = [counts.numbers("lr") as [number, number], counts.numbers("ref") as [number, number]];
    const flops = countFlops(lr, [ref[0] / SCALE, ref[1] / SCALE]);
    compareNumbers(trial, `LR ${lr} Ref ${ref}`, counts, officialNames(flops));
  }
}

type Numbers = { readonly [name: string]: number | Numbers };

function countParameters(): Numbers {
  const { all, count } = new Masa().parameters;
  const part = (prefix: string) =>
    all.filter(({ name }) => name.startsWith(prefix)).reduce((sum, { size }) => sum + size, 0);
  return { total: count, encoder: part("enc."), decoder: part("decoder."), tensors: all.length };
}

/** The counts in the manifest's words; `giga` in units of 10⁹. */
function officialNames(flops: NetworkFlops): Numbers {
  const { conv2d, convTranspose2d, coarse, fine, elementwise, unused, total } = flops;
  const matching = coarse + fine;
  const giga = Object.entries(elementwise).map(([name, count]) => [`aten::${name}`, count / 1e9]);
  return {
    // Hooks see the unused levels run; the tracing counter drops them.
    macs_by_hooks: {
      conv2d: conv2d + unused,
      conv_transpose2d_official_rule: convTranspose2d.official,
      conv_transpose2d_exact: convTranspose2d.exact,
      bmm_coarse: coarse,
      bmm_fine: fine,
    },
    macs_by_hooks_total: conv2d + unused + convTranspose2d.official + matching,
    matching_total: matching,
    official_counter: {
      giga: { ...Object.fromEntries(giga), bmm: matching / 1e9, conv: (conv2d + convTranspose2d.official) / 1e9 },
      sum: total / 1e9,
    },
    enc_of_ref_down_L2_L3: unused,
    hooks_conv_minus_official_conv: unused,
  };
}

/** Half a unit: numbers in giga are multiples of 10⁻⁹, the others whole. */
const EXACT = 0.5e-9;

/** Compares every number of `entry`, at any depth; images' sizes and texts are no results. */
function compareNumbers(trial: Trial, label: string, entry: Entry, got: Numbers | undefined): void {
  for (const name of entry.keys) {
    const value = entry.value[name];
    const found = got?.[name];
    if (typeof value === "number") {
      const values = typeof found === "number" ? [found] : undefined;
      trial.checks.push(...compareValues(`${label} ${name}`, values, [value], { absolute: EXACT }));
    } else if (typeof value === "object" && !Array.isArray(value)) {
      compareNumbers(trial, `${label} ${name}`, entry.entry(name), typeof found === "object" ? found : undefined);
    }
  }
}
