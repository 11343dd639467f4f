/**
 * Where the pixels of an operation's output come from. An operation is local if each pixel depends on a neighbourhood of the
 * same place in its input maps [N, C, H, W]. Its window rule says how large that neighbourhood is, so that the operation can
 * run on a part of its maps (graph/windows).
 */

/** A ratio of whole numbers. */
export type Ratio = readonly [over: number, under: number];

/** How an output pixel depends on one input map. */
export interface MapRule {
  /** Rows and columns around its place that it reads, in pixels of the input. */
  readonly reach: number;
  /** Pixels of the output per pixel of the input. */
  readonly scale: Ratio;
}

/** How a local operation runs on a window of its maps. */
export interface WindowRule {
  /** The inputs that are maps, by name; a list has one rule. All others are used whole. */
  readonly maps: Readonly<Record<string, MapRule>>;
  /** The attributes for an output of H × W pixels, for operations whose attributes contain its size. */
  readonly attributes?: (size: readonly [H: number, W: number]) => unknown;
}

/** An output pixel depends on the input pixel at its own place alone. */
export const SAME_PLACE: MapRule = { reach: 0, scale: [1, 1] };

/** The rule of a resize from `from` to `to` by a whole factor; undefined for other sizes. */
export function resizeRule(from: readonly number[], to: readonly number[], reach: number): WindowRule | undefined {
  const [factor = 0, other] = to.map((length, axis) => length / (from[axis] as number));
  if (!Number.isInteger(factor) || factor !== other) return undefined;
  return { maps: { x: { reach, scale: [factor, 1] } }, attributes: (size) => ({ size }) };
}
