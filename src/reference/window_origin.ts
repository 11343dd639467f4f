/** From a block's coarse match to the corner of the window of Ref↓ that it searches. */
import { map, type NdArray } from "./array.js";

/**
 * index [N, blocks], positions in Ref↓ of `sides` [Hr, Wr] → originX, originY of the same shape.
 *
 * The window of `window` [h, w] pixels is centred on the position, then moved inside. One larger than Ref↓ ends at its
 * last pixel and begins before its first: an origin below 0, from where `cropWindows` wraps around.
 */
export function windowOrigin(index: NdArray, sides: readonly [number, number], window: readonly [number, number]) {
  const place = (position: number, axis: 0 | 1) => {
    let first = position - Math.floor(window[axis] / 2);
    if (first < 0) first = 0;
    if (first + window[axis] > sides[axis]) first = sides[axis] - window[axis];
    return first;
  };
  return {
    originX: map(index, (position) => place(position % sides[1], 1)),
    originY: map(index, (position) => place(Math.floor(position / sides[1]), 0)),
  };
}
