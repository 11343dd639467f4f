/** Division by the L2 norm along one side: `shaders/normalize*.wgsl`, rows where the side is the innermost, else columns. */
import { elements, flatGrid, type Operand, type Operands, type Recorder, rowOfGroups } from "./kernel.js";

export interface NormalizeAttributes {
  readonly dim: number;
  readonly eps: number;
}

/** y = x / max(norm, eps); writes the norm too, whose side `dim` is 1. */
export function normalize(
  recorder: Recorder,
  { x }: Operands<"x">,
  { y, norm }: Operands<"y" | "norm">,
  attributes: NormalizeAttributes,
): void {
  recorder.dispatch({ shader: "normalize", ...along(x, attributes), bindings: { x, y, norm } });
}

/** dx from the saved y and norm. */
export function normalizeGradient(
  recorder: Recorder,
  { y, norm, dy }: Operands<"y" | "norm" | "dy">,
  { dx }: Operands<"dx">,
  attributes: NormalizeAttributes,
): void {
  recorder.dispatch({ shader: "normalize_gradient", ...along(y, attributes), bindings: { y, norm, dy, dx } });
}

/** Entry point, parameters and workgroups for sums along side `dim`. */
function along({ shape }: Operand, { dim, eps }: NormalizeAttributes) {
  const outer = elements(shape.slice(0, dim));
  const inner = elements(shape.slice(dim + 1));
  const params = { outer, length: shape[dim] as number, inner, eps };
  if (inner > 1) return { entry: "columns", params, workgroups: flatGrid(outer * inner) };
  return { entry: "rows", params, workgroups: rowOfGroups(outer) };
}
