/** Adam's step on one large parameter: seven values moved for each one learned. */
import { ones, Parameters } from "../../src/graph/trace/parameters.js";
import { Adam } from "../../src/nn/adam.js";
import * as reference from "../../src/reference/adam.js";
import { ndarray } from "../../src/reference/array.js";
import { type Case, label, type Suite } from "../case.js";
import { worstError } from "../oracle.js";

/** About as many as the network learns. */
const COUNT = 1 << 22;
const SETTINGS = { lr: 1e-4, betas: [0.9, 0.999], eps: 1e-8 } as const;

export const adamCases: Suite = (shapes) => (shapes ? [] : [step()]);

function step(): Case {
  const parameters = new Parameters();
  const parameter = parameters.declare("parameter", [COUNT], ones);
  const optimiser = new Adam(parameters, SETTINGS);
  return {
    name: `adam step ${label([COUNT])}`,
    // Square and sum of the norm 2, first moment 3, second 4, square root, products, quotient and difference 5.
    flops: 14 * COUNT,
    // Parameter and both moments are read and written; the gradient is read for its norm and for the update.
    bytes: 8 * 4 * COUNT,
    inputs: { gradient: [COUNT] },
    parameters: [parameters, optimiser],
    build({ gradient }) {
      optimiser.step([gradient!]);
      return {};
    },
    async check({ gradient }, uniform) {
      const got = await parameters.read(parameter);
      return worstError(got, uniform, (i) => {
        const one = (value: number) => ndarray([1], [value]);
        const state = { parameter: one(1), expAvg: one(0), expAvgSq: one(0) };
        const value = reference.adam(state, one(gradient![i]!), { ...SETTINGS, step: 1 }).parameter.data[0]!;
        // Ten roundings as in test/graph/ops/adam.test.ts, of numbers up to 1 + lr.
        return { value, bound: 10 * 2 ** -24 * (1 + SETTINGS.lr) };
      });
    },
  };
}
