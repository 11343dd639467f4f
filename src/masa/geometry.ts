/**
 * Where the matching cuts (paper, section 3.2): LR into blocks, and around each block's coarse match a window of Ref↓.
 * Sizes follow the official code to the pixel, and so do the sizes it refuses.
 */
import { ArgumentError } from "../errors.js";
import { ShapeError } from "../gpu/errors.js";

/** All pairs are [vertical, horizontal], in pixels of LR or of Ref↓. */
export interface MatchGeometry {
  readonly lr: readonly [number, number];
  readonly refDown: readonly [number, number];
  /** How many blocks: [py, px]. */
  readonly blocks: readonly [number, number];
  /** Sides of a block: [ky, kx]. */
  readonly block: readonly [number, number];
  /** Sides of a window with its one-pixel rim; a patch is centred on any of its (h − 2)·(w − 2) inner positions. */
  readonly window: readonly [number, number];
  /** Dilations whose similarities the coarse match adds. */
  readonly dilations: readonly number[];
}

export interface MatchSizes {
  readonly lr: readonly [number, number];
  readonly refDown: readonly [number, number];
  /** Least side of a block; a side that is no multiple of it gets larger blocks (36 → 4 blocks of 9). Default 8. */
  readonly blockSize?: number;
  /** Side of a window relative to the block's share of Ref↓. Default 1.5. */
  readonly refBlockScale?: number;
  /** Default 1, 2, 3. */
  readonly dilations?: readonly number[];
}

/**
 * The blocks and windows for images of these sizes. Throws `ShapeError` for sizes that MASA cannot cut, and `ArgumentError`
 * for blocks that leave no room for the dilations.
 */
export function matchGeometry({ lr, refDown, ...options }: MatchSizes): MatchGeometry {
  const { blockSize = 8, refBlockScale = 1.5, dilations = [1, 2, 3] } = options;
  const cut = (axis: 0 | 1) => {
    const [name, block] = [SIDE[axis], cutIntoBlocks(lr[axis], blockSize, axis)];
    const count = lr[axis] / block;
    const reach = Math.max(...dilations);
    if (Math.floor((block + 2) / 2) + reach > block + 1)
      throw new ArgumentError(
        `match: blockSize ${blockSize} leaves no room for dilation ${reach}`,
        "Use larger blocks or smaller dilations",
      );
    const window = 2 * Math.floor(Math.floor(refDown[axis] / (2 * count)) * refBlockScale) + 3;
    // A window may be larger than Ref↓ and wraps around then, but at most once.
    if (window > 2 * refDown[axis])
      throw new ShapeError(
        "match",
        "refDown",
        `has ${name} ${refDown[axis]}, too small for a window of ${window}`,
        "Use a larger reference",
      );
    return { count, block, window };
  };
  const [y, x] = [cut(0), cut(1)];
  return {
    lr,
    refDown,
    blocks: [y.count, x.count],
    block: [y.block, x.block],
    window: [y.window, x.window],
    dilations,
  };
}

/**
 * For dense matching, which compares every patch of LR with every patch of the reference: one block, one window, the whole
 * images. Throws `ShapeError` for sides that the network cannot halve twice.
 */
export function denseGeometry(lr: readonly [number, number], refDown: readonly [number, number]): MatchGeometry {
  for (const side of lr) {
    if (side % 4 !== 0)
      throw new ShapeError("match", "lr", `has a side of ${side}`, `Pad it to ${4 * Math.ceil(side / 4)}`);
  }
  return { lr, refDown, blocks: [1, 1], block: lr, window: refDown, dilations: [] };
}

const SIDE = ["height", "width"] as const;

/** Side of the blocks that a side of LR is cut into: as many as fit, of at least `blockSize`, without remainder. */
function cutIntoBlocks(side: number, blockSize: number, axis: 0 | 1): number {
  const accepted = (length: number) =>
    length >= blockSize && length % 4 === 0 && length % blocksIn(length, blockSize) === 0;
  if (accepted(side)) return side / blocksIn(side, blockSize);
  const larger = [...Array(4 * blockSize).keys()].map((more) => side + more).find(accepted);
  throw new ShapeError(
    "match",
    "lr",
    `has ${SIDE[axis]} ${side}, which cannot be cut into equal blocks of at least ${blockSize} pixels (it must be divisible ` +
      `by 4 and by ⌊side / ${blockSize}⌋)`,
    `Pad it to ${larger}`,
  );
}

function blocksIn(side: number, blockSize: number): number {
  return Math.floor(side / blockSize);
}
