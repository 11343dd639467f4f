/** The same numbers, stored in another type. The function that users call is the graph's own (tensor.ts): it casts too. */
import { cast } from "../../kernels/cast.js";
import type { Operation, Tensor } from "../trace/tensor.js";

/** From the type that x is stored in to the one that the graph stores in. */
export const castOperation: Operation<null> = {
  name: "cast",
  outputs: ([x]) => [{ shape: (x as Tensor).shape }],
  halves: { inputs: [0], outputs: [0] },
  kernel: (recorder, [x], [y]) => {
    if (x && y) cast(recorder, x, y);
  },
};
