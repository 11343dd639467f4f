/** The official steps of the matching by themselves, fused and unfused. */

import type { Data } from "../graph/plan/plan.js";
import type { Tensor } from "../graph/trace/tensor.js";
import type { Implementation } from "../masa/matching.js";
import { search, searchOrg, transferPatches } from "../masa/matching.js";
import { coarseSimilarity, fineSimilarity } from "../masa/matching_unfused.js";
import { type Entry, UnsupportedError } from "./entry.js";
import { compareResults, type Operand, runGraph, type Tensors } from "./graph_case.js";
import type { Trial } from "./trial.js";

interface Step {
  readonly build: (x: Operand, hyper: Entry, implementation: Implementation) => Tensors;
  /** What the step chooses by, [..., candidates]; the fused implementation never writes it. */
  readonly similarity?: (x: Operand, hyper: Entry) => Tensor;
  /** Whether the fused implementation has the step's gradients. */
  readonly fusedGradient: boolean;
}

/** Patches are 3×3 pixels of the downscaled reference, and one neighbour is taken. */
const PATCHES = { ks: 3, num_nbr: 1 };

const STEPS: Readonly<Record<string, Step>> = {
  search: {
    build: (x, hyper, implementation) => ({
      ...search(x("lr_patches"), x("reflr"), hyper.numbers("dilations"), implementation),
    }),
    similarity: (x, hyper) => coarseSimilarity(x("lr_patches"), x("reflr"), hyper.numbers("dilations")),
    // The network uses the coarse score to choose and for nothing else.
    fusedGradient: false,
  },
  search_org: {
    build: (x, _, implementation) => ({ ...searchOrg(x("lr"), x("reflr"), implementation) }),
    similarity: (x) => fineSimilarity(x("lr"), x("reflr")),
    fusedGradient: true,
  },
  transfer: {
    build: (x, hyper, implementation) => ({
      y: transferPatches(x("fea"), x("index"), x("soft_att"), hyper.number("stride"), implementation),
    }),
    fusedGradient: true,
  },
};

/** The step that `op` names: transfers are told apart by their stride, not by their name. */
function stepOf(op: string): Step {
  const step = STEPS[op.startsWith("transfer") ? "transfer" : op];
  if (!step) throw new UnsupportedError(`module ${op} is unknown`);
  return step;
}

export async function runMatchingStep(trial: Trial): Promise<void> {
  const { golden, entry } = trial;
  const { build, similarity, fusedGradient } = stepOf(golden.op);
  const hyper = entry.entry("hyper");
  const scale = hyper.number("stride", 1);
  hyper.only({ ...PATCHES, ks: PATCHES.ks * scale, pd: scale });
  const outputs = entry.entry("outputs");
  const margin = outputs.has("margin") ? await trial.values(outputs.entry("margin")) : undefined;
  const margins = margin ? { index: margin } : {};
  for (const implementation of ["fused", "unfused"] as const) {
    const scored = implementation === "unfused" ? similarity : undefined;
    const gradients = implementation === "unfused" || fusedGradient;
    const results = await runGraph(trial, {
      build: (x) => ({ ...build(x, hyper, implementation), ...(scored && { similarity: scored(x, hyper) }) }),
      gradients,
    });
    const options = {
      label: `${implementation} `,
      gradients,
      margins,
      skip: implementation === "fused" ? ["margin"] : [],
    };
    await compareResults(trial, { ...results, margin: leads(results.similarity, margin?.length) }, options);
  }
}

/** By how much the best of each of `count` rows leads its second best. */
function leads(similarity: Data | undefined, count = 1): Float32Array {
  if (!similarity) return new Float32Array();
  const candidates = similarity.length / count;
  return Float32Array.from({ length: count }, (_, i) => {
    const row = similarity.slice(i * candidates, (i + 1) * candidates).sort();
    return row.at(-1)! - row.at(-2)!;
  });
}
