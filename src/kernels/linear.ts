/** Fully connected layer: `shaders/linear*.wgsl`. Its rows are few and long, so that a workgroup sums one output. */
import { FLAT_WORKGROUP, HALF, type Operand, type Operands, type Recorder } from "./kernel.js";

/** Rows of x that a thread takes at once. */
const ROWS = 4;

function sides(x: Operand, weight: Operand) {
  const [outputs, inner] = weight.shape as [number, number];
  return { N: x.shape[0] as number, inner, outputs };
}

/** y [N, outputs] = x [N, inner] · weightᵀ + bias; weight [outputs, inner]. */
export function linear(
  recorder: Recorder,
  { x, weight, bias }: Operands<"x" | "weight", "bias">,
  { y }: Operands<"y">,
): void {
  const params = sides(x, weight);
  recorder.dispatch({
    shader: "linear",
    constants: { BIAS: bias !== undefined },
    params: { ...params, half: HALF },
    bindings: { x, weight, bias: bias ?? weight, y },
    workgroups: [params.outputs, Math.ceil(params.N / ROWS), 1],
  });
}

/** dx [N, inner] = dy · weight. */
export function linearInputGradient(
  recorder: Recorder,
  { dy, weight }: Operands<"dy" | "weight">,
  { dx }: Operands<"dx">,
): void {
  const params = sides(dx, weight);
  recorder.dispatch({
    shader: "linear_input_gradient",
    params,
    bindings: { dy, weight, dx },
    workgroups: [Math.ceil(params.inner / FLAT_WORKGROUP), Math.ceil(params.N / ROWS), 1],
  });
}

/** dweight [outputs, inner] = dyᵀ · x. */
export function linearWeightGradient(
  recorder: Recorder,
  { dy, x }: Operands<"dy" | "x">,
  { dweight }: Operands<"dweight">,
): void {
  const params = sides(x, dweight);
  recorder.dispatch({
    shader: "linear_weight_gradient",
    params,
    bindings: { dy, x, dweight },
    workgroups: [Math.ceil(params.inner / FLAT_WORKGROUP), params.outputs, 1],
  });
}
