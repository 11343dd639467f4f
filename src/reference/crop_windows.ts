/** Windows cut out of a feature map at given corners. */
import { type NdArray, ndarray } from "./array.js";
import { BORDER } from "./patches.js";

export interface CropWindowsAttributes {
  /** Sides of a window and its corner are given in units of `scale` pixels. */
  readonly height: number;
  readonly width: number;
  readonly scale: number;
}

/** Calls `tap` with the flat indices of every y = x: the loop nest that defines the operation. */
function forEachPixel(
  x: NdArray,
  originX: NdArray,
  originY: NdArray,
  { height, width, scale }: CropWindowsAttributes,
  tap: (y: number, x: number) => void,
): void {
  const [, C, H, W] = x.shape as [number, number, number, number];
  const blocks = originX.shape[1] as number;
  let y = 0;
  for (let window = 0; window < originX.data.length; window++)
    for (let c = 0; c < C; c++)
      for (let i = 0; i < scale * height; i++)
        for (let j = 0; j < scale * width; j++) {
          const row = BORDER.wrap(scale * (originY.data[window] as number) + i, H);
          const column = BORDER.wrap(scale * (originX.data[window] as number) + j, W);
          tap(y++, ((Math.floor(window / blocks) * C + c) * H + row) * W + column);
        }
}

/** x [N,C,H,W], origins [N, blocks] → y [N·blocks, C, scale·height, scale·width]; rows and columns below 0 wrap. */
export function cropWindows(
  x: NdArray,
  originX: NdArray,
  originY: NdArray,
  attributes: CropWindowsAttributes,
): NdArray {
  const { height, width, scale } = attributes;
  const y = ndarray([originX.data.length, x.shape[1] as number, scale * height, scale * width]);
  forEachPixel(x, originX, originY, attributes, (iy, ix) => {
    y.data[iy] = x.data[ix] as number;
  });
  return y;
}

/** The gradient of Σ y·dy: dx, of `x`'s shape. */
export function cropWindowsGradient(
  x: NdArray,
  originX: NdArray,
  originY: NdArray,
  dy: NdArray,
  attributes: CropWindowsAttributes,
): NdArray {
  const dx = ndarray(x.shape);
  forEachPixel(x, originX, originY, attributes, (iy, ix) => {
    (dx.data[ix] as number) += dy.data[iy] as number;
  });
  return dx;
}
