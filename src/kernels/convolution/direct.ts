/** Direct sums, one thread per output: what a porter reads first, and what small problems use. */

import { elements, flatGrid, type Operand, type Recorder } from "../kernel.js";
import { type Algorithm, type Problem, productsOf } from "./problem.js";

type Sides = [number, number, number, number];

export const direct: Algorithm<Problem> = {
  id: "direct",
  valid: () => true,
  record: (recorder, problem) => (problem.direction === "forward" ? forward : adjoint)(recorder, problem),
};

function forward(recorder: Recorder, problem: Problem): void {
  const { sources, weight, bias, residual, y, window, slope } = problem;
  const [x, concat] = sources as [Operand, Operand?];
  const [, split, H, W] = x.shape as Sides;
  const [O, C, KH, KW] = weight.shape as Sides;
  const [, , P, Q] = y.shape as Sides;
  const count = elements(y.shape);
  recorder.dispatch({
    shader: "conv2d",
    params: {
      ...{ count, C, split, H, W, O, P, Q, KH, KW, ...window, slope },
      has_bias: Number(bias !== undefined),
      has_residual: Number(residual !== undefined),
    },
    bindings: { x, concat: concat ?? x, weight, bias: bias ?? weight, residual: residual ?? x, y },
    workgroups: flatGrid(count),
    flops: 2 * productsOf(problem),
  });
}

function adjoint(recorder: Recorder, problem: Problem): void {
  const { sources, weight, first, bias, y, window, slope } = problem;
  const [x] = sources as [Operand];
  const [, O, P, Q] = x.shape as Sides;
  const [, channels, KH, KW] = weight.shape as Sides;
  const [, C, H, W] = y.shape as Sides;
  const count = elements(y.shape);
  recorder.dispatch({
    shader: "conv_transpose2d",
    params: {
      ...{ count, C, H, W, channels, first, O, P, Q, KH, KW, ...window, slope },
      has_bias: Number(bias !== undefined),
    },
    bindings: { x, weight, bias: bias ?? weight, y },
    workgroups: flatGrid(count),
    flops: 2 * productsOf(problem),
  });
}
