import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { windowOrigin } from "../../../src/graph/ops/window_origin.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import { ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/window_origin.js";
import { checkOperation } from "./check.js";

describe("window_origin", () => {
  checkOperation("window_origin", {
    cases: 60,
    sample(random) {
      const refDown = [random.int(2, 40), random.int(2, 40)] as const;
      const windowSide = (side: number) => 2 * random.int(1, Math.max(1, side - 1)) + 1;
      const window = [windowSide(refDown[0]), windowSide(refDown[1])] as const;
      const index = ndarray([random.int(1, 3), random.int(1, 70)]);
      for (let i = 0; i < index.data.length; i++) index.data[i] = random.int(0, refDown[0] * refDown[1] - 1);
      return { inputs: { index }, attributes: { refDown, window } };
    },
    integers: ["index"],
    graph: ({ index }, options) => ({ ...windowOrigin(index!, options) }),
    reference: ({ index }, { refDown, window }) => reference.windowOrigin(index!, refDown, window),
    terms: () => 1,
    // Integers: any difference is an error.
    magnitude: ({ index }) => ({ originX: ndarray(index!.shape), originY: ndarray(index!.shape) }),
  });

  it("places the windows of the paper's example and of a reference smaller than its window", () => {
    const place = (index: number, side: number, window: number) => {
      const origins = reference.windowOrigin(ndarray([1, 1], [index]), [side, side], [window, window]);
      return [origins.originX.data[0], origins.originY.data[0]];
    };
    expect(place(20 * 40 + 5, 40, 15)).to.deep.equal([0, 13]);
    expect(place(39 * 40 + 39, 40, 15)).to.deep.equal([25, 25]);
    expect(place(0, 8, 9)).to.deep.equal([-1, -1]);
  });

  it("rejects a wrong index and a window that wraps twice, beside right ones", () => {
    const origin = (dtype: "f32" | "i32", shape: number[], window: number) => () =>
      trace(() => windowOrigin(input("index", shape, dtype), { refDown: [8, 8], window: [9, window] }));
    expect(origin("i32", [1, 4], 9)).not.to.throw();
    expect(origin("f32", [1, 4], 9)).to.throw(ShapeError, "index");
    expect(origin("i32", [4], 9)).to.throw(ShapeError, "index");
    expect(origin("i32", [1, 4], 17)).to.throw(ShapeError, "window");
  });
});
