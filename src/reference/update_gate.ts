/** The gate before an update, in float64. */
import { type NdArray, ndarray } from "./array.js";

export interface UpdateGateOptions {
  readonly rows: number;
  readonly maxNorm?: number | undefined;
}

/** gate [3] = (open, scale, norm) from rows (Σ g², flag); the norm is that of the first `rows` rows. */
export function updateGate(summary: NdArray, { rows, maxNorm }: UpdateGateOptions, before?: NdArray): NdArray {
  let squares = 0;
  let open = before ? before.data[0] !== 0 : true;
  for (let row = 0; row < (summary.shape[0] as number); row++) {
    if (row < rows) squares += summary.data[2 * row] as number;
    if (summary.data[2 * row + 1] !== 0) open = false;
  }
  const norm = Math.sqrt(squares);
  const scale = maxNorm === undefined ? 1 : Math.min(1, maxNorm / (norm + 1e-6));
  return ndarray([3], [open ? 1 : 0, open ? scale : 0, norm]);
}
