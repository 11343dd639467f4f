import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { cropWindows } from "../../../src/graph/ops/crop_windows.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import { ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/crop_windows.js";
import { checkOperation, type Random } from "./check.js";

describe("crop_windows", () => {
  checkOperation("crop_windows", {
    cases: 60,
    sample(random) {
      const [N, blocks] = [random.int(1, 2), random.int(1, 7)];
      const scale = random.pick([1, 1, 2, 4]);
      const [H, W] = [random.int(1, 9), random.int(1, 9)];
      // Half of the windows may be larger than the map, and so wrap.
      const most = random.pick([1, 2]);
      const [height, width] = [random.int(1, most * H), random.int(1, most * W)];
      const x = random.array([N, random.int(1, 5), scale * H, scale * W]);
      const origins = {
        originX: corners(random, [N, blocks], W, width),
        originY: corners(random, [N, blocks], H, height),
      };
      return { inputs: { x, ...origins }, attributes: { height, width, scale } };
    },
    integers: ["originX", "originY"],
    graph: ({ x, originX, originY }, options) => ({ y: cropWindows(x!, originX!, originY!, options) }),
    reference: ({ x, originX, originY }, attributes) => ({
      y: reference.cropWindows(x!, originX!, originY!, attributes),
    }),
    gradient: ({ x, originX, originY }, { y }, attributes) => ({
      x: reference.cropWindowsGradient(x!, originX!, originY!, y!, attributes),
    }),
    linear: ["x"],
    // A pixel occurs at most four times in each window.
    terms: ({ originX }) => 4 * originX!.data.length,
    // Forward it is a copy: the bits must be equal. (An absolute corner would be another window.)
    magnitude: ({ originX, x }, { height, width, scale }) => ({
      y: ndarray([originX!.data.length, x!.shape[1] as number, scale * height, scale * width]),
    }),
    gradientMagnitude: ({ x, originX, originY }, { y }, attributes) => ({
      x: reference.cropWindowsGradient(x!, originX!, originY!, { ...y!, data: y!.data.map(Math.abs) }, attributes),
    }),
  });

  it("rejects wrong operands by name, beside right ones", () => {
    const crop = (sides: { x?: number[]; origin?: number[]; height?: number }) => () =>
      trace(() => {
        const x = input("x", sides.x ?? [2, 3, 8, 8]);
        const originX = input("originX", sides.origin ?? [2, 4], "i32");
        return cropWindows(x, originX, input("originY", [2, 4], "i32"), { height: sides.height ?? 9, width: 5 });
      });
    expect(crop({})).not.to.throw();
    expect(crop({ x: [2, 3, 8] })).to.throw(ShapeError, "x");
    expect(crop({ origin: [1, 4] })).to.throw(ShapeError, "originX");
    expect(crop({ origin: [2, 5] })).to.throw(ShapeError, "originY");
    expect(crop({ height: 17 })).to.throw(ShapeError, "height");
  });
});

/** Corners of windows that end within the map, below 0 where they must. */
function corners(random: Random, shape: readonly number[], side: number, window: number) {
  const origins = ndarray(shape);
  for (let i = 0; i < origins.data.length; i++) origins.data[i] = random.int(Math.min(0, side - window), side - window);
  return origins;
}
