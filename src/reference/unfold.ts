/** Windows of an image as columns (im2col) in float64 loops. The gradient is fold, with the columns' gradient. */
import { type NdArray, ndarray } from "./array.js";
import { forEachElement, type WindowAttributes, windowCount } from "./windows.js";

/** x [N,C,H,W] → y [N,C·kh·kw,L]; zero where a window reaches outside. */
export function unfold(x: NdArray, attributes: WindowAttributes): NdArray {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const [rows, columns] = windowCount([H, W], attributes);
  const [kh, kw] = attributes.kernel;
  const y = ndarray([N, C * kh * kw, rows * columns]);
  forEachElement(x.shape, attributes, (column, pixel) => {
    y.data[column] = x.data[pixel] as number;
  });
  return y;
}
