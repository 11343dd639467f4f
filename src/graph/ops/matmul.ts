/** Batched matrix product. Its gradients are matrix products too, with other operands transposed. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/matmul.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

const operation: Operation<Tensors<"a" | "b">, Tensors<"y">, kernels.Transposed> = {
  name: "matmul",
  outputs({ a, b }, { transposeA, transposeB }) {
    const [batches, n, inner] = sides(a, transposeA);
    const [others, rows, m] = sides(b, transposeB);
    if (others !== batches || rows !== inner)
      throw new ShapeError("matmul", b.name, `means [${others}, ${rows}, ${m}]; [${batches}, ${inner}, m] is needed`);
    return { y: { shape: [batches, n, m] } };
  },
  kernel: kernels.matmul,
  // With A and B the operands as they multiply: dA = dy·Bᵀ, dB = Aᵀ·dy; of a transposed operand, the transposes of these.
  gradient: ({ inputs: { a, b }, attributes: { transposeA, transposeB }, dys: { y: dy } }) => ({
    a: transposeA
      ? matmul(b, dy, { transposeA: transposeB, transposeB: true })
      : matmul(dy, b, { transposeB: !transposeB }),
    b: transposeB
      ? matmul(dy, a, { transposeA: true, transposeB: transposeA })
      : matmul(a, dy, { transposeA: !transposeA }),
  }),
};

/** [batches, rows, columns] of a matrix as it multiplies. */
function sides({ name, shape }: Tensor, transposed: boolean): [number, number, number] {
  const [batches, rows, columns, ...more] = shape;
  if (batches === undefined || rows === undefined || columns === undefined || more.length > 0)
    throw new ShapeError("matmul", name, `has shape [${shape}]; three sides are needed: batch, rows, columns`);
  return transposed ? [batches, columns, rows] : [batches, rows, columns];
}

/**
 * y [B, n, m] = a [B, n, K] · b [B, K, m]: PyTorch's `torch.bmm`. With `transposeA` a is stored as [B, K, n], with
 * `transposeB` b as [B, m, K]. Throws `ShapeError`.
 */
export function matmul(a: Tensor, b: Tensor, options: Partial<kernels.Transposed> = {}): Tensor {
  const { transposeA = false, transposeB = false } = options;
  return record(operation, { a, b }, { transposeA, transposeB }).y;
}
