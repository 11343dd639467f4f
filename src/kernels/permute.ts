/** Sides of a tensor in another order: `shaders/permute.wgsl`. */
import { elements, flatGrid, type Operands, type Recorder } from "./kernel.js";

/** Sides that the shader tells apart. */
export const MAX_RANK = 6;

/** y with y's side d being side order[d] of x. */
export function permute(
  recorder: Recorder,
  { x }: Operands<"x">,
  { y }: Operands<"y">,
  { order }: { readonly order: readonly number[] },
): void {
  const strides = order.map((d) => elements(x.shape.slice(d + 1)));
  const sides = merge(y.shape, strides).reverse();
  const inner = sides.slice(0, -1);
  while (inner.length < MAX_RANK - 1) inner.push({ length: 1, stride: 0 });
  const count = elements(y.shape);
  recorder.dispatch({
    shader: "permute",
    constants: { RANK: sides.length },
    params: {
      count,
      ...Object.fromEntries(
        inner.flatMap(({ length, stride }, k) => [
          [`d${k}`, length],
          [`s${k}`, stride],
        ]),
      ),
      outermost: sides.at(-1)?.stride ?? 1,
    },
    bindings: { x, y },
    workgroups: flatGrid(count),
  });
}

/** Sides of y, outermost first, without those of length 1 and with those joined that follow each other in x as well. */
function merge(shape: readonly number[], strides: readonly number[]): { length: number; stride: number }[] {
  const sides: { length: number; stride: number }[] = [];
  for (const [d, length] of shape.entries()) {
    const stride = strides[d] as number;
    const outer = sides.at(-1);
    if (length === 1) continue;
    if (outer && outer.stride === length * stride) Object.assign(outer, { length: outer.length * length, stride });
    else sides.push({ length, stride });
  }
  return sides.length ? sides : [{ length: 1, stride: 1 }];
}
