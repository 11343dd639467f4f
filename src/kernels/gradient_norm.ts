/** The sum of squares of a gradient and whether it is finite: `shaders/gradient_norm.wgsl`, long ones in two passes. */
import { elements, HALF, type Operands, type Recorder } from "./kernel.js";

/** Elements that one workgroup takes: short enough that a gradient of a few ten thousand occupies a whole GPU. */
const PIECE = 1024;

/** Row `row` of `summary` [rows, 2] = (Σ gradient², 1 if an element is NaN or infinite, else 0), in place. */
export function gradientNorm(
  recorder: Recorder,
  { gradient, summary }: Operands<"gradient" | "summary">,
  _: object,
  { row }: { readonly row: number },
): void {
  const length = elements(gradient.shape);
  const pieces = Math.ceil(length / PIECE);
  const whole = pieces === 1;
  const sums = whole ? summary : recorder.scratch("sums of pieces", [pieces, 2]);
  recorder.dispatch({
    shader: "gradient_norm",
    entry: "squares",
    params: { length, piece: PIECE, row: whole ? row : 0, half: HALF },
    bindings: { x: gradient, y: sums },
    workgroups: [pieces, 1, 1],
  });
  if (whole) return;
  recorder.dispatch({
    shader: "gradient_norm",
    entry: "combine",
    params: { length: pieces, piece: pieces, row, half: HALF },
    bindings: { x: sums, y: summary },
    workgroups: [1, 1, 1],
  });
}
