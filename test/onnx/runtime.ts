/**
 * ONNX Runtime computes what we do: every row of the table of operations, and the network on three pairs of sizes. Not part of
 * `npm test`, because the runtime takes 290 MB: `npm run test:onnx` installs it beside this file.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { readImage } from "../../src/files/images.js";
import { compile, type Data } from "../../src/graph/plan.js";
import { cropImage, toTensor } from "../../src/image/image.js";
import { downscale } from "../../src/image/pairs.js";
import { exportOnnx } from "../../src/train/export.js";
import { loadMasa, SHIPPED_WEIGHTS } from "../../src/train/weights.js";
import { testDevice } from "../device.js";
import { CASES, dtypeOf, inputData, modelOf } from "./cases.js";

type Values = Float32Array | BigInt64Array;

/** What is used of onnxruntime-node, which the package's own types do not know. */
interface Runtime {
  readonly Tensor: new (type: "float32" | "int64", data: Values, shape: readonly number[]) => object;
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: object): Promise<Record<string, { data: Values }>> }>;
  };
}

const runtime: Runtime = createRequire(new URL("../../../test/onnx/runtime/package.json", import.meta.url))(
  "onnxruntime-node",
);

async function runOnnx(
  model: Uint8Array,
  data: Readonly<Record<string, Data>>,
  shapes: Readonly<Record<string, readonly number[]>>,
) {
  const session = await runtime.InferenceSession.create(model, { executionProviders: ["cpu"] });
  const feeds = Object.entries(data).map(([name, values]) => {
    const shape = shapes[name] as readonly number[];
    if (values instanceof Float32Array) return [name, new runtime.Tensor("float32", values, shape)];
    return [name, new runtime.Tensor("int64", BigInt64Array.from(values, BigInt), shape)];
  });
  const results = await session.run(Object.fromEntries(feeds));
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Float64Array.from(data, Number)]));
}

/** Rounding of float32 in sums of at most 27 products of numbers below 1 (4·√27·2⁻²⁴·27), as test/ops/check.ts has it. */
const OPERATION = 4 * Math.sqrt(27) * 2 ** -24 * 27;
/** What is promised of the network. */
const NETWORK = 1e-4;

function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).to.equal(b.length);
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

describe("ONNX Runtime computes the same:", () => {
  for (const [name, onnxCase] of Object.entries(CASES)) {
    it(name, async () => {
      const { inputs, largest = {}, parameters, build } = onnxCase;
      const device = await testDevice();
      await parameters?.allocate(device);
      const specs = Object.entries(inputs).map(([key, shape]) => [key, { shape, dtype: dtypeOf(key, largest) }]);
      const plan = await compile(device, Object.fromEntries(specs), build);
      const data = inputData(onnxCase, name);
      const ours = await plan.run(data);
      const values = await Promise.all(
        (parameters?.all ?? []).map(async (one) => [one.name, (await parameters?.read(one)) as Float32Array] as const),
      );
      const theirs = await runOnnx(modelOf(onnxCase, new Map(values)).bytes, data, inputs);
      for (const [key, value] of Object.entries(ours))
        expect(difference(value, theirs[key]!), key).to.be.below(value instanceof Float32Array ? OPERATION : 1);
      plan.dispose();
      parameters?.dispose();
    });
  }

  for (const [lr, ref] of [
    [
      [16, 24],
      [64, 96],
    ],
    [
      [36, 20],
      [128, 112],
    ],
    [
      [40, 40],
      [160, 160],
    ],
  ] as const) {
    it(`the network enlarging ${lr.join("×")} by ${ref.join("×")}`, async () => {
      const device = await testDevice();
      const [lrImage, refImage] = await Promise.all(
        ["lr", "ref"].map((name) =>
          readImage(fileURLToPath(new URL(`../../../examples/data/aloe_${name}.png`, import.meta.url))),
        ),
      );
      const reference = cropImage(refImage!, 40, 60, ref[1], ref[0]);
      const images = { lr: cropImage(lrImage!, 10, 15, lr[1], lr[0]), ref: reference, refDown: downscale(reference) };
      const entries = Object.entries(images);
      const data = Object.fromEntries(entries.map(([key, image]) => [key, toTensor(image)])) as Record<
        keyof typeof images,
        Float32Array
      >;
      const shapes = Object.fromEntries(
        entries.map(([key, { width, height }]) => [key, [1, 3, height, width]]),
      ) as Record<keyof typeof images, number[]>;
      const masa = await loadMasa(device);
      const plan = await compile(device, shapes, (inputs) => ({ sr: masa.forward(inputs).sr }));
      const { sr } = await plan.run(data);
      const folder = await mkdtemp(join(tmpdir(), "masa-onnx-"));
      const path = join(folder, "masa.onnx");
      await exportOnnx(SHIPPED_WEIGHTS, path, { lr, ref });
      const theirs = await runOnnx(await readFile(path), data, shapes);
      await rm(folder, { recursive: true });
      const most = difference(sr, theirs.sr!);
      process.stdout.write(`${lr.join("×")} by ${ref.join("×")}: largest difference ${most.toExponential(1)}\n`);
      expect(most).to.be.below(NETWORK);
      plan.dispose();
      masa.parameters.dispose();
    });
  }
});
