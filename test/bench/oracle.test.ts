/** The sampled checks against the whole reference, on small shapes. */
import { expect } from "chai";
import type { Sides } from "../../bench/case.js";
import {
  type Array4,
  adjointSum,
  convolutionSum,
  joinChannels,
  type Products,
  weightSum,
  worstError,
  worstPlaneError,
} from "../../bench/oracle.js";
import { map, type NdArray, ndarray } from "../../src/reference/array.js";
import { convTranspose2d } from "../../src/reference/conv_transpose2d.js";
import { conv2d, conv2dGradient } from "../../src/reference/conv2d.js";
import { Random } from "../graph/ops/check.js";

const random = new Random("oracle");
const draw = (shape: Sides): Array4 => ({ shape, data: Float32Array.from(random.array(shape).data) });
const wide = ({ shape, data }: Array4): NdArray => ndarray(shape, data);

function expectSums(expected: NdArray, sizes: NdArray, sum: (i: number) => Products): void {
  for (const [i, value] of expected.data.entries()) {
    const { value: got, size, bound, terms } = sum(i);
    expect(got).to.be.closeTo(value, 1e-12);
    expect(size).to.be.closeTo(sizes.data[i] as number, 1e-12);
    expect(bound).to.be.closeTo(4 * Math.sqrt(terms) * 2 ** -24 * size, 1e-18);
  }
}

describe("bench oracle", () => {
  for (const [stride, padding, kernel] of [
    [1, 1, 3],
    [2, 1, 3],
    [2, 0, 2],
    [3, 2, 5],
  ] as const)
    it(`sums single elements of a convolution, stride ${stride}, padding ${padding}, kernel ${kernel}`, () => {
      const window = { stride, padding };
      const attributes = { ...window, dilation: 1 };
      const [x, weight] = [draw([2, 3, 7, 8]), draw([4, 3, kernel, kernel])];
      const absolute = (array: Array4) => map(wide(array), Math.abs);
      const y = conv2d(wide(x), wide(weight), undefined, attributes);
      const dy = draw(y.shape as unknown as Sides);
      const sizes = conv2d(absolute(x), absolute(weight), undefined, attributes);
      expectSums(y, sizes, (i) => convolutionSum(i, dy.shape, x, weight, window));
      const gradient = conv2dGradient(wide(x), wide(weight), wide(dy), attributes);
      const gradientSizes = conv2dGradient(absolute(x), absolute(weight), absolute(dy), attributes);
      expectSums(gradient.dx, gradientSizes.dx, (i) => adjointSum(i, x.shape, dy, weight, window));
      expectSums(gradient.dweight, gradientSizes.dweight, (i) => weightSum(i, weight.shape, x, dy, window));
    });

  it("takes the adjoint for a transposed convolution", () => {
    const [x, weight] = [draw([2, 3, 4, 5]), draw([3, 2, 3, 3])];
    const y = convTranspose2d(wide(x), wide(weight), undefined, { stride: 2, padding: 1, outputPadding: 1 });
    for (const [i, value] of y.data.entries())
      expect(adjointSum(i, y.shape as unknown as Sides, x, weight, { stride: 2, padding: 1 }).value).to.be.closeTo(
        value,
        1e-12,
      );
  });

  it("joins channels sample by sample", () => {
    const x: Array4 = { shape: [2, 1, 1, 2], data: Float32Array.of(1, 2, 3, 4) };
    const y: Array4 = { shape: [2, 2, 1, 2], data: Float32Array.of(5, 6, 7, 8, 9, 10, 11, 12) };
    const { shape, data } = joinChannels(x, y);
    expect(shape).to.deep.equal([2, 3, 1, 2]);
    expect([...data]).to.deep.equal([1, 2, 5, 6, 7, 8, 3, 4, 9, 10, 11, 12]);
  });

  it("finds what is wrong, and NaN", () => {
    const uniform = () => random.next();
    const right = (i: number) => ({ value: i, bound: 0.5 });
    expect(worstError(Float32Array.of(0, 1, 2, 3), uniform, right)).to.equal(0);
    expect(worstError(Float32Array.of(0, 1, 2.25, 3), uniform, right)).to.equal(0.5);
    expect(worstError(Float32Array.of(0, 1, 2, 5), uniform, right)).to.equal(4);
    expect(worstError(Float32Array.of(0, Number.NaN, 2, 3), uniform, right)).to.equal(Number.POSITIVE_INFINITY);
  });

  it("looks at whole planes", () => {
    const data = Float32Array.of(0, 0, 1, 1, 2, 2);
    const planes = (wrong: number) => (p: number) => ({ values: Float64Array.of(p, p + wrong), bounds: () => 1 });
    const worst = (wrong: number) => worstPlaneError(data, [1, 3, 1, 2], () => random.next(), planes(wrong));
    expect(worst(0)).to.equal(0);
    expect(worst(3)).to.equal(3);
  });
});
