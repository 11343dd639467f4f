/** Batched matrix product. Its gradients are matrix products too, with other operands transposed. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/matmul.js";
import { type Operation, recordOne, type Tensor } from "../trace/tensor.js";

const operation: Operation<kernels.Transposed> = {
  name: "matmul",
  outputs([a, b], { transposeA, transposeB }) {
    const [batches, n, inner] = sides(a as Tensor, transposeA);
    const [others, rows, m] = sides(b as Tensor, transposeB);
    if (others !== batches || rows !== inner)
      throw new ShapeError(
        "matmul",
        b?.name ?? "b",
        `means [${others}, ${rows}, ${m}]; [${batches}, ${inner}, m] is needed`,
      );
    return [{ shape: [batches, n, m] }];
  },
  kernel(recorder, [a, b], [y], transposed) {
    if (a && b && y) kernels.matmul(recorder, a, b, y, transposed);
  },
  // With A and B the operands as they multiply: dA = dy·Bᵀ, dB = Aᵀ·dy; of a transposed operand, the transposes of these.
  gradient({ inputs, attributes: { transposeA, transposeB }, dys: [dy] }) {
    const [a, b] = inputs as [Tensor, Tensor];
    if (!dy) return [];
    return [
      transposeA
        ? matmul(b, dy, { transposeA: transposeB, transposeB: true })
        : matmul(dy, b, { transposeB: !transposeB }),
      transposeB
        ? matmul(dy, a, { transposeA: true, transposeB: transposeA })
        : matmul(a, dy, { transposeA: !transposeA }),
    ];
  },
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
  return recordOne(operation, [a, b], { transposeA, transposeB });
}
