/** Windows that slide over an image: the geometry that unfold and fold share. */
import { ShapeError } from "../../gpu/errors.js";
import { nchw, type Operand } from "../kernel.js";

/** A pair is for height and width; a number for both. */
export interface WindowOptions {
  /** Side of a window, in taps. */
  readonly kernel: number | readonly [number, number];
  /** Distance of neighbouring windows, default 1. */
  readonly stride?: number | readonly [number, number];
  /** Zeros around the image, default 0. */
  readonly padding?: number;
  /** Distance of the taps of a window, default 1. */
  readonly dilation?: number;
}

/** The windows of an image of known size. */
export interface Windows {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: number;
  readonly dilation: number;
  /** How many windows there are, down and across. */
  readonly count: readonly [rows: number, columns: number];
}

/** The windows of an image [H,W]. Throws `ShapeError` in the name of `operation`. */
export function windowsOf(operation: string, size: readonly [number, number], options: WindowOptions): Windows {
  const kernel = pair(options.kernel);
  const stride = pair(options.stride ?? 1);
  const { padding = 0, dilation = 1 } = options;
  const whole = { kernel, stride, dilation: [dilation], padding: [padding] };
  for (const [argument, values] of Object.entries(whole)) {
    const least = argument === "padding" ? 0 : 1;
    if (!values.every((value) => Number.isSafeInteger(value) && value >= least))
      throw new ShapeError(operation, argument, `is ${values.join(" × ")}; it must be whole and at least ${least}`);
  }
  const along = (d: 0 | 1) => Math.floor((size[d] + 2 * padding - dilation * (kernel[d] - 1) - 1) / stride[d]) + 1;
  const count = [along(0), along(1)] as const;
  if (Math.min(...count) < 1)
    throw new ShapeError(
      operation,
      "kernel",
      `${kernel.join("×")} with dilation ${dilation} is larger than the image [${size}] with padding ${padding}`,
    );
  return { kernel, stride, padding, dilation, count };
}

function pair(value: number | readonly [number, number]): readonly [number, number] {
  return typeof value === "number" ? [value, value] : value;
}

/** The shaders' parameters for windows over an image [N,C,H,W]. */
export function windowParams(image: Operand, windows: Windows) {
  const [, , H, W] = nchw(image);
  const [rows, columns] = windows.count;
  const [KH, KW] = windows.kernel;
  const [stride_y, stride_x] = windows.stride;
  return { H, W, rows, columns, KH, KW, stride_y, stride_x, padding: windows.padding };
}
