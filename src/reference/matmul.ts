/** Batched matrix product and its gradients in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

export interface Transposed {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Calls `term` with the flat indices of every product y += a·b. */
function forEachTerm(
  a: NdArray,
  b: NdArray,
  { transposeA, transposeB }: Transposed,
  term: (y: number, a: number, b: number) => void,
): [number, number, number] {
  const [B, p, q] = a.shape as [number, number, number];
  const [n, K] = transposeA ? [q, p] : [p, q];
  const m = b.shape[transposeB ? 1 : 2] as number;
  for (let batch = 0; batch < B; batch++)
    for (let i = 0; i < n; i++)
      for (let j = 0; j < m; j++)
        for (let k = 0; k < K; k++) {
          const ia = transposeA ? k * n + i : i * K + k;
          const ib = transposeB ? j * K + k : k * m + j;
          term((batch * n + i) * m + j, batch * n * K + ia, batch * K * m + ib);
        }
  return [B, n, m];
}

/** y [B,n,m] = a [B,n,K] · b [B,K,m]; transposed operands are stored as [B,K,n] and [B,m,K]. */
export function matmul(a: NdArray, b: NdArray, transposed: Transposed): NdArray {
  const sums: number[] = [];
  const shape = forEachTerm(a, b, transposed, (y, ia, ib) => {
    sums[y] = (sums[y] ?? 0) + (a.data[ia] as number) * (b.data[ib] as number);
  });
  return ndarray(shape, sums);
}

/** Gradients of Σ y·dy. */
export function matmulGradient(
  a: NdArray,
  b: NdArray,
  dy: NdArray,
  transposed: Transposed,
): { da: NdArray; db: NdArray } {
  const da = ndarray(a.shape);
  const db = ndarray(b.shape);
  forEachTerm(a, b, transposed, (y, ia, ib) => {
    (da.data[ia] as number) += (dy.data[y] as number) * (b.data[ib] as number);
    (db.data[ib] as number) += (dy.data[y] as number) * (a.data[ia] as number);
  });
  return { da, db };
}
