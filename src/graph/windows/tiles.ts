/** Maps [1, C, H, W] in host memory, cut into tiles. What was used longest ago is dropped when the memory is full. */
import type { Range } from "./stages.js";

/** The tiles of a map along both axes. */
export interface Tiling {
  readonly size: readonly [H: number, W: number];
  /** Pixels of a tile; those at the end may be smaller. */
  readonly tile: readonly [height: number, width: number];
}

/** Values of a window [C, height, width]. */
export interface Window {
  readonly rows: Range;
  readonly columns: Range;
  readonly data: Float32Array;
}

/** The tiles that a window touches, row by row. */
export function tilesIn({ tile, size }: Tiling, rows: Range, columns: Range): { rows: Range; columns: Range }[] {
  const along = (axis: 0 | 1, [start, end]: Range): Range[] => {
    const side = tile[axis];
    const first = Math.floor(start / side);
    return Array.from({ length: Math.ceil(end / side) - first }, (_, i) => [
      (first + i) * side,
      Math.min(size[axis], (first + i + 1) * side),
    ]);
  };
  return along(0, rows).flatMap((r) => along(1, columns).map((c) => ({ rows: r, columns: c })));
}

/**
 * Copies the part that two windows share from one to the other, in all channels. `to` may lie at `shift` [rows, columns] from
 * where its ranges say (a window that wraps around).
 */
export function copyWindow(from: Window, to: Window, channels: number): void {
  const top = Math.max(from.rows[0], to.rows[0]);
  const bottom = Math.min(from.rows[1], to.rows[1]);
  const left = Math.max(from.columns[0], to.columns[0]);
  const right = Math.min(from.columns[1], to.columns[1]);
  if (top >= bottom || left >= right) return;
  const [fromHeight, fromWidth] = [from.rows[1] - from.rows[0], from.columns[1] - from.columns[0]];
  const [toHeight, toWidth] = [to.rows[1] - to.rows[0], to.columns[1] - to.columns[0]];
  for (let c = 0; c < channels; c++) {
    for (let y = top; y < bottom; y++) {
      const source = (c * fromHeight + y - from.rows[0]) * fromWidth + left - from.columns[0];
      const target = (c * toHeight + y - to.rows[0]) * toWidth + left - to.columns[0];
      to.data.set(from.data.subarray(source, source + right - left), target);
    }
  }
}

/** Tiles by key, at most `bytes` together; one more than that is dropped at once. */
export class TileCache {
  /** The one used last is at the end. */
  readonly #tiles = new Map<string, readonly Window[]>();
  #taken = 0;

  constructor(readonly bytes: number) {}

  get(key: string): readonly Window[] | undefined {
    const found = this.#tiles.get(key);
    if (found) {
      this.#tiles.delete(key);
      this.#tiles.set(key, found);
    }
    return found;
  }

  set(key: string, windows: readonly Window[]): void {
    this.#tiles.set(key, windows);
    this.#taken += bytesOf(windows);
    for (const [oldest, dropped] of this.#tiles) {
      if (this.#taken <= this.bytes || oldest === key) return;
      this.#tiles.delete(oldest);
      this.#taken -= bytesOf(dropped);
    }
  }

  clear(): void {
    this.#tiles.clear();
    this.#taken = 0;
  }
}

function bytesOf(windows: readonly Window[]): number {
  return windows.reduce((sum, { data }) => sum + data.byteLength, 0);
}
