/** Division by the L2 norm along one side: `shaders/normalize*.wgsl`, rows where the side is the innermost, else columns. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

export interface NormalizeAttributes {
  readonly dim: number;
  readonly eps: number;
}

const GRID_ROW = 32768;

/** y = x / max(norm, eps); writes the norm too, whose side `dim` is 1. */
export function normalize(
  recorder: Recorder,
  x: Operand,
  y: Operand,
  norm: Operand,
  attributes: NormalizeAttributes,
): void {
  recorder.dispatch({ shader: "normalize", ...along(x, attributes), bindings: { x, y, norm } });
}

/** dx from the saved y and norm. */
export function normalizeGradient(
  recorder: Recorder,
  { y, norm, dy, dx }: { y: Operand; norm: Operand; dy: Operand; dx: Operand },
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
  const workgroups: [number, number, number] =
    outer <= GRID_ROW ? [outer, 1, 1] : [GRID_ROW, Math.ceil(outer / GRID_ROW), 1];
  return { entry: "rows", params, workgroups };
}
