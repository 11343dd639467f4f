/** Columns summed into an image (col2im) in float64 loops. The gradient is unfold, with the image's gradient. */
import { type NdArray, ndarray } from "./array.js";
import { forEachElement, type WindowAttributes } from "./windows.js";

/** x [N,C·kh·kw,L] → y [N,C,H,W], where overlapping windows add up. */
export function fold(x: NdArray, [H, W]: readonly [number, number], attributes: WindowAttributes): NdArray {
  const [N, lines] = x.shape as [number, number];
  const [kh, kw] = attributes.kernel;
  const y = ndarray([N, lines / (kh * kw), H, W]);
  forEachElement(y.shape, attributes, (column, pixel) => {
    (y.data[pixel] as number) += x.data[column] as number;
  });
  return y;
}
