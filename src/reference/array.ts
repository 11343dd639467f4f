/** Arrays of the float64 reference: plain, row-major, small. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export function ndarray(shape: readonly number[], data?: ArrayLike<number>): NdArray {
  const size = shape.reduce((product, side) => product * side, 1);
  return { shape, data: data ? Float64Array.from(data) : new Float64Array(size) };
}

export function map(x: NdArray, f: (value: number, i: number) => number): NdArray {
  return { shape: x.shape, data: x.data.map(f) };
}
