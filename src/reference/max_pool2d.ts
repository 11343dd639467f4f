/** 2 × 2 maximum pooling and its gradient in loops. */
import { type NdArray, ndarray } from "./array.js";

/** Calls `visit` with the flat index of every output and that of the first maximum of its square. */
function forEachMaximum({ shape, data }: NdArray, visit: (output: number, maximum: number) => void): number[] {
  const [N, C, H, W] = shape as [number, number, number, number];
  const [P, Q] = [Math.floor(H / 2), Math.floor(W / 2)];
  for (let plane = 0; plane < N * C; plane++)
    for (let p = 0; p < P; p++)
      for (let q = 0; q < Q; q++) {
        const corner = (plane * H + 2 * p) * W + 2 * q;
        let maximum = corner;
        for (const i of [corner + 1, corner + W, corner + W + 1])
          if ((data[i] as number) > (data[maximum] as number)) maximum = i;
        visit((plane * P + p) * Q + q, maximum);
      }
  return [N, C, P, Q];
}

/** x [N,C,H,W] → y [N,C,⌊H/2⌋,⌊W/2⌋]. */
export function maxPool2d(x: NdArray): NdArray {
  const values: number[] = [];
  const shape = forEachMaximum(x, (output, maximum) => {
    values[output] = x.data[maximum] as number;
  });
  return ndarray(shape, values);
}

/** The gradient of Σ y·dy. */
export function maxPool2dGradient(x: NdArray, dy: NdArray): NdArray {
  const dx = ndarray(x.shape);
  forEachMaximum(x, (output, maximum) => {
    dx.data[maximum] = dy.data[output] as number;
  });
  return dx;
}
