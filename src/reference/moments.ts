/** Moments of 32×32 blocks of planes, in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

/** x [N,C,H,W] → mean and Σ (x − mean)² of every block, [N,C,⌈H/size⌉,⌈W/size⌉]. */
export function blockMoments(x: NdArray, size = 32): { mean: NdArray; deviation: NdArray } {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const [rows, columns] = [Math.ceil(H / size), Math.ceil(W / size)];
  const mean = ndarray([N, C, rows, columns]);
  const deviation = ndarray([N, C, rows, columns]);
  for (let block = 0; block < mean.data.length; block++) {
    const plane = Math.floor(block / (rows * columns));
    const [top, left] = [(Math.floor(block / columns) % rows) * size, (block % columns) * size];
    const values: number[] = [];
    for (let y = top; y < Math.min(H, top + size); y++)
      for (let i = left; i < Math.min(W, left + size); i++) values.push(x.data[(plane * H + y) * W + i] as number);
    const centre = values.reduce((sum, value) => sum + value, 0) / values.length;
    mean.data[block] = centre;
    deviation.data[block] = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  }
  return { mean, deviation };
}
