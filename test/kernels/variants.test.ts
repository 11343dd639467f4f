/** Names of variants that earlier versions recorded, and the dispatches that they stood for. */
import { expect } from "chai";
import { coarseMatch } from "../../src/kernels/coarse_match.js";
import { convolve, transpose, weightGradient } from "../../src/kernels/convolution/choose.js";
import { type Dtype, type Operand, Recorder, type Shape } from "../../src/kernels/kernel.js";
import { product } from "../../src/kernels/shared/product.js";
import { shareRows } from "../../src/kernels/shared/rows.js";
import { currentChoices } from "../../src/kernels/variants.js";
import { testDevice } from "../device.js";

const tensor = (name: string, shape: Shape, dtype: Dtype = "f32"): Operand => ({ name, shape, dtype });

/** A 3×3 convolution of so many channels on an image of 16×16, too small to refuse direct sums. */
function images(channels: number) {
  const image = tensor("image", [1, channels, 16, 16]);
  const weight = tensor("weight", [channels, channels, 3, 3]);
  return { image, weight, window: { stride: 1, padding: 1, dilation: 1 } };
}

const convolution = (channels: number) => (recorder: Recorder) => {
  const { image, ...rest } = images(channels);
  convolve(recorder, { x: image, y: image, ...rest, slope: 1 });
};
const transposition = (channels: number) => (recorder: Recorder) => {
  const { image, ...rest } = images(channels);
  transpose(recorder, { x: image, y: image, ...rest, first: 0, slope: 1 });
};
const gradient = (recorder: Recorder) => {
  const { image, weight, window } = images(64);
  weightGradient(recorder, { x: image, dy: image, dweight: weight, window });
};
const matmul = (recorder: Recorder) => {
  const square = tensor("square", [1, 64, 64]);
  product(recorder, { a: square, b: square }, { y: square }, { transposeA: false, transposeB: false });
};
const search = (recorder: Recorder) => {
  const map = tensor("map", [1, 64, 16, 16]);
  const index = tensor("index", [1, 4], "i32");
  coarseMatch(recorder, { lr: map, ref: map }, { index, score: index }, { blocks: [2, 2], dilations: [1, 2, 3] });
};
const sum = (recorder: Recorder) => {
  const { constants, params, workgroups } = shareRows(recorder, "sum", 8, 8192);
  recorder.dispatch({ shader: "reduce_rows", constants, params, workgroups, bindings: {} });
};

/** What was recorded, its name in earlier versions, and the shader and constants that it stood for. */
const OLD: readonly (readonly [(recorder: Recorder) => void, string, string, Readonly<Record<string, unknown>>?])[] = [
  [convolution(64), "plain", "conv2d"],
  [convolution(64), "strips", "conv2d_subgroup", { TAPS: 3, STEP: 1, OUTPUTS: 32 }],
  [convolution(64), "tiles 64×64", "conv2d_implicit_gemm", { PIXELS: 64, CHANNELS: 64 }],
  [convolution(64), "tiles 256×64", "conv2d_implicit_gemm", { PIXELS: 256, CHANNELS: 64 }],
  [convolution(32), "tiles 128×32", "conv2d_implicit_gemm", { PIXELS: 128, CHANNELS: 32 }],
  [convolution(16), "tiles 256×16", "conv2d_implicit_gemm", { PIXELS: 256, CHANNELS: 16 }],
  [convolution(64), "winograd", "winograd_output"],
  [transposition(64), "plain", "conv_transpose2d"],
  [transposition(64), "strips", "conv2d_subgroup", { TAPS: 3, STEP: 1, OUTPUTS: 32 }],
  [transposition(16), "tiles 256×16", "conv2d_implicit_gemm", { PIXELS: 256, CHANNELS: 16 }],
  [gradient, "plain", "conv2d_weight_gradient"],
  [gradient, "strips", "conv2d_weight_gradient_subgroup", { TAPS: 3, CHANNELS: 2 }],
  [gradient, "tiles", "conv2d_weight_gradient_implicit_gemm", { OUTPUTS: 64 }],
  [gradient, "winograd", "winograd_weight_gradient"],
  [matmul, "plain", "matmul"],
  [matmul, "tiles", "matmul_tiled"],
  [matmul, "strips", "matmul_subgroup"],
  [search, "tiles", "coarse_match"],
  [search, "strips", "coarse_match_subgroup"],
  [sum, "team", "reduce_rows", { TEAM: 64 }],
  [sum, "alone", "reduce_rows", { TEAM: 1 }],
];

describe("names of variants in earlier versions", () => {
  for (const [record, name, shader, constants = {}] of OLD) {
    for (const software of [true, false]) {
      it(`${name}: ${shader} ${Object.values(constants).join()}${software ? ", on a CPU" : ""}`, async () => {
        const { limits } = await testDevice();
        const recorded = (choices: ReadonlyMap<string, string>) => {
          const recorder = new Recorder({ limits, subgroupMinSize: 8, software, choices });
          record(recorder);
          return recorder;
        };
        const key = recorded(new Map())
          .choices.map((choice) => choice.key)
          .find((text) => !/^matmul 36/.test(text));
        const choices = currentChoices({ [key as string]: name, "another kernel": name });
        const { dispatches } = recorded(new Map(Object.entries(choices)));
        const found = dispatches.find((dispatch) => dispatch.shader === shader);
        expect(found?.constants ?? {}, dispatches.map((dispatch) => dispatch.shader).join()).to.include(constants);
        expect(found).not.to.equal(undefined);
      });
    }
  }

  it("keeps names that it does not know", () => {
    const choices = { "convolve 64→64": "direct", "matmul 1 of 2×2·2×2": "constructor" };
    expect(currentChoices(choices)).to.deep.equal(choices);
  });
});
