/** Extraction (paper, section 3.2): the matched patches of the reference, laid over each other and averaged. */
import { type NdArray, ndarray } from "./array.js";
import { cropWindows, cropWindowsGradient } from "./crop_windows.js";

export interface TransferAttributes {
  /** Blocks of LR: [py, px]. */
  readonly blocks: readonly [number, number];
  /** Sides of a window in pixels of Ref↓, rim included. */
  readonly window: readonly [number, number];
  /** Pixels of `ref` to one of Ref↓. */
  readonly scale: number;
}

export interface TransferInputs {
  readonly ref: NdArray;
  readonly index: NdArray;
  readonly score: NdArray;
  readonly originX: NdArray;
  readonly originY: NdArray;
}

type Sides = [number, number, number, number];

/**
 * Unfold, gather and fold of one window: calls `tap` with the pixel of the block [k·scale] and the pixel of the window
 * that each matched patch lays on it. A patch has 3·scale pixels a side, moves by `scale`, and the block crops it by
 * `scale` on every side.
 */
function forEachTap(
  index: readonly number[],
  [ky, kx]: readonly [number, number],
  [, width]: readonly [number, number],
  scale: number,
  tap: (y: number, x: number, row: number, column: number) => void,
): void {
  for (let q = 0; q < ky * kx; q++)
    for (let i = 0; i < 3 * scale; i++)
      for (let j = 0; j < 3 * scale; j++) {
        const y = Math.floor(q / kx) * scale + i - scale;
        const x = (q % kx) * scale + j - scale;
        if (y < 0 || y >= ky * scale || x < 0 || x >= kx * scale) continue;
        const match = index[q] as number;
        tap(y, x, Math.floor(match / (width - 2)) * scale + i, (match % (width - 2)) * scale + j);
      }
}

/** Bilinear weights of a side enlarged by `scale`, align_corners false: for each pixel two sources. */
function bilinear(side: number, scale: number) {
  return Array.from({ length: side * scale }, (_, i) => {
    const position = Math.max(0, (i + 0.5) / scale - 0.5);
    const first = Math.floor(position);
    return [
      { i: first, weight: 1 - (position - first) },
      { i: Math.min(first + 1, side - 1), weight: position - first },
    ];
  });
}

/**
 * ref [N, C, scale·Hr, scale·Wr], index and score [N·py·px, ky, kx], origins [N, py·px]
 * → y [N, C, scale·py·ky, scale·px·kx].
 *
 * In each block: y = fold(patches) / fold(1) · bilinear(score), the patches taken from the block's window at `index`.
 */
export function transfer(inputs: TransferInputs, attributes: TransferAttributes): NdArray {
  const { y } = run(inputs, attributes);
  return y;
}

/** Gradients of Σ y·dy: dref, dscore. */
export function transferGradient(inputs: TransferInputs, dy: NdArray, attributes: TransferAttributes) {
  const { dref, dscore } = run(inputs, attributes, dy);
  return { dref, dscore };
}

function run({ ref, index, score, originX, originY }: TransferInputs, attributes: TransferAttributes, dy?: NdArray) {
  const { blocks, window, scale } = attributes;
  const [py, px] = blocks;
  const [N, C] = ref.shape as Sides;
  const [count, ky, kx] = index.shape as [number, number, number];
  const [H, W] = [scale * py * ky, scale * px * kx];
  const crop = { height: window[0], width: window[1], scale };
  const windows = cropWindows(ref, originX, originY, crop);
  const dwindows = ndarray(windows.shape);
  const y = ndarray([N, C, H, W]);
  const dscore = ndarray(score.shape);
  const [rows, columns] = [bilinear(ky, scale), bilinear(kx, scale)];
  const pixels = scale * scale * ky * kx;
  const side = scale * kx;

  for (let b = 0; b < count; b++) {
    const matches = Array.from(index.data.subarray(b * ky * kx, (b + 1) * ky * kx));
    const divisor = new Float64Array(pixels);
    forEachTap(matches, [ky, kx], window, scale, (i, j) => {
      (divisor[i * side + j] as number) += 1;
    });
    const attention = new Float64Array(pixels);
    forEachWeight(rows, columns, kx, (pixel, q, weight) => {
      (attention[pixel] as number) += weight * (score.data[b * ky * kx + q] as number);
    });
    const [n, by, bx] = [Math.floor(b / (py * px)), Math.floor((b % (py * px)) / px), b % px];
    for (let c = 0; c < C; c++) {
      const corner = ((n * C + c) * H + by * ky * scale) * W + bx * kx * scale;
      const plane = (b * C + c) * scale * scale * window[0] * window[1];
      const mean = new Float64Array(pixels);
      forEachTap(matches, [ky, kx], window, scale, (i, j, row, column) => {
        const from = plane + row * scale * window[1] + column;
        const pixel = i * side + j;
        (mean[pixel] as number) += (windows.data[from] as number) / (divisor[pixel] as number);
        const upstream = dy?.data[corner + i * W + j] ?? 0;
        (dwindows.data[from] as number) += (upstream * (attention[pixel] as number)) / (divisor[pixel] as number);
      });
      for (const [pixel, value] of mean.entries())
        y.data[corner + Math.floor(pixel / side) * W + (pixel % side)] = value * (attention[pixel] as number);
      forEachWeight(rows, columns, kx, (pixel, q, weight) => {
        const upstream = dy?.data[corner + Math.floor(pixel / side) * W + (pixel % side)] ?? 0;
        (dscore.data[b * ky * kx + q] as number) += weight * upstream * (mean[pixel] as number);
      });
    }
  }
  return { y, dscore, dref: cropWindowsGradient(ref, originX, originY, dwindows, crop) };
}

/** Calls `tap` with every pixel of the enlarged block, each of its sources and the weight between them. */
function forEachWeight(
  rows: ReturnType<typeof bilinear>,
  columns: ReturnType<typeof bilinear>,
  kx: number,
  tap: (pixel: number, q: number, weight: number) => void,
): void {
  for (const [i, sourceRows] of rows.entries())
    for (const [j, sourceColumns] of columns.entries())
      for (const row of sourceRows)
        for (const column of sourceColumns)
          tap(i * columns.length + j, row.i * kx + column.i, row.weight * column.weight);
}
