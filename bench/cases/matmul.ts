/** The matrix product that GPU libraries are compared by. */
import { matmul } from "../../src/graph/ops/matmul.js";
import { bytesOf, type Case, label, type Suite } from "../case.js";
import { Products, worstError } from "../oracle.js";

const SIDES = [1024, 256];

export const matmulCases: Suite = (shapes) => (shapes ? [] : SIDES.map(product));

function product(n: number): Case {
  const shape = [1, n, n];
  return {
    name: `matmul ${label(shape)}`,
    flops: 2 * n ** 3,
    bytes: bytesOf(shape, shape, shape),
    inputs: { a: shape, b: shape },
    build: ({ a, b }) => ({ y: matmul(a!, b!) }),
    check: ({ a, b, y }, uniform) =>
      worstError(y!, uniform, (i) => {
        const sum = new Products();
        for (let k = 0; k < n; k++) sum.add(a![Math.floor(i / n) * n + k]!, b![k * n + (i % n)]!);
        return sum;
      }),
  };
}
