/** The same numbers, stored in another type. The function that users call is the graph's own (graph.ts): it casts too. */
import { cast } from "../../kernels/cast.js";
import type { Operation, Tensors } from "../trace/tensor.js";
import { SAME_PLACE } from "../trace/window.js";

/** From the type that x is stored in to the one that the graph stores in. */
export const castOperation: Operation<Tensors<"x">, Tensors<"y">> = {
  name: "cast",
  f16: { inputs: ["x"], outputs: ["y"] },
  outputs: ({ x: { shape } }) => ({ y: { shape } }),
  kernel: cast,
  window: () => ({ maps: { x: SAME_PLACE } }),
};
