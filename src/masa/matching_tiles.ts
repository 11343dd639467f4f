/** The fine match of blocks of any size: those too large for a workgroup's memory are taken in tiles, which share a window. */
import { concat } from "../graph/ops/concat.js";
import { type FineMatchInputs, type FineMatchOptions, fineMatch } from "../graph/ops/fine_match.js";
import { permute } from "../graph/ops/permute.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { reshape } from "../graph/trace/view.js";
import type { Found } from "./matching_unfused.js";

/** Pixels of a block whose products with a row of the reference still fit. */
const LARGEST_BLOCK = 256;
/** Side of the tiles at most: what the shader is fastest for. */
const TILE = 8;

/** `fineMatch`, for blocks of any size. */
export function tiledFineMatch(
  { lr, ref, originX, originY, index: given }: FineMatchInputs,
  { blocks: [py, px], window }: FineMatchOptions,
): Found {
  const [N, , H, W] = lr.shape as [number, number, number, number];
  const [ky, kx] = [H / py, W / px];
  if (ky * kx <= LARGEST_BLOCK)
    return fineMatch({ lr, ref, originX, originY, index: given }, { blocks: [py, px], window });
  const [ty, tx] = [tileSide(ky), tileSide(kx)];
  const [rows, columns] = [ky / ty, kx / tx];
  // [N·py, px, rows, ty, columns, tx] to [N·py, rows, px, columns, ty, tx] and back: the same exchange.
  const exchange = (x: Tensor, shape: readonly number[]) => permute(reshape(x, shape), [0, 2, 1, 4, 3, 5]);
  const tile = (x: Tensor) =>
    reshape(exchange(x, [N * py, px, rows, ty, columns, tx]), [N * py * rows * px * columns, ty, tx]);
  const untile = (x: Tensor) => reshape(exchange(x, [N * py, rows, px, columns, ty, tx]), [N * py * px, ky, kx]);
  const repeat = (origin: Tensor) => {
    const across = reshape(copies(reshape(origin, [N * py, px, 1]), columns, 2), [N * py, 1, px * columns]);
    return reshape(copies(across, rows, 1), [N, py * rows * px * columns]);
  };
  const inputs = { lr, ref, originX: repeat(originX), originY: repeat(originY), index: given && tile(given) };
  const { index, score } = fineMatch(inputs, { blocks: [py * rows, px * columns], window });
  return { index: given ?? untile(index), score: untile(score) };
}

function tileSide(side: number): number {
  let divisor = Math.min(TILE, side);
  while (side % divisor !== 0) divisor--;
  return divisor;
}

function copies(x: Tensor, count: number, dim: number): Tensor {
  return count === 1 ? x : concat(new Array(count).fill(x), dim);
}
