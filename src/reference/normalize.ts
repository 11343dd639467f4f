/** Division by the L2 norm along one side, and its gradient, in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

/** Calls `visit` with the flat indices of every vector along side `dim`. */
function forEachVector({ shape }: NdArray, dim: number, visit: (indices: number[]) => void): void {
  const product = (sides: readonly number[]) => sides.reduce((size, side) => size * side, 1);
  const outer = product(shape.slice(0, dim));
  const inner = product(shape.slice(dim + 1));
  const length = shape[dim] as number;
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) visit(Array.from({ length }, (_, l) => (o * length + l) * inner + i));
}

/** y = x / max(‖x‖, eps). */
export function normalize(x: NdArray, dim: number, eps: number): NdArray {
  const y = ndarray(x.shape);
  forEachVector(x, dim, (indices) => {
    const norm = Math.sqrt(indices.reduce((sum, i) => sum + (x.data[i] as number) ** 2, 0));
    for (const i of indices) y.data[i] = (x.data[i] as number) / Math.max(norm, eps);
  });
  return y;
}

/** The gradient of Σ y·dy: (dy − y·Σ dy·y) / ‖x‖, and dy / eps where the norm is below eps. */
export function normalizeGradient(x: NdArray, dy: NdArray, dim: number, eps: number): NdArray {
  const y = normalize(x, dim, eps);
  const dx = ndarray(x.shape);
  forEachVector(x, dim, (indices) => {
    const norm = Math.sqrt(indices.reduce((sum, i) => sum + (x.data[i] as number) ** 2, 0));
    const product = indices.reduce((sum, i) => sum + (dy.data[i] as number) * (y.data[i] as number), 0);
    for (const i of indices)
      dx.data[i] =
        norm < eps ? (dy.data[i] as number) / eps : ((dy.data[i] as number) - (y.data[i] as number) * product) / norm;
  });
  return dx;
}
