/**
 * ONNX Runtime computes what we do: every row of the table of operations, and the network on three pairs of sizes; and with
 * the official network what PyTorch does. Not part of `npm test`, because the runtime takes 290 MB: `npm run test:onnx` installs it beside this file.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Values } from "../../src/conformance/compare.js";
import { fill } from "../../src/conformance/formula.js";
import { type GoldenCase, GoldenSet } from "../../src/conformance/manifest.js";
import { readImage } from "../../src/files/images.js";
import { compile, type Data, dataOf } from "../../src/graph/plan/plan.js";
import type { Tensor } from "../../src/graph/trace/tensor.js";
import { cropImage, type Image, toTensor } from "../../src/image/image.js";
import { downscale } from "../../src/image/pairs.js";
import { Masa } from "../../src/masa/masa.js";
import { exportOnnx } from "../../src/models/export.js";
import { loadMasa, SHIPPED_WEIGHTS } from "../../src/models/load.js";
import { testDevice } from "../device.js";
import { inFolder } from "../files/golden.js";
import { CASES, dtypeOf, inputData, modelOf, type Tensors } from "./cases.js";

type Data64 = Float32Array | BigInt64Array;

/** What is used of onnxruntime-node, which the package's own types do not know. */
interface Runtime {
  readonly Tensor: new (type: "float32" | "int64", data: Data64, shape: readonly number[]) => object;
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: object): Promise<Record<string, { data: Data64 }>> }>;
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

/** Rounding of float32 in sums of at most 27 products of numbers below 1 (4·√27·2⁻²⁴·27), as test/graph/ops/check.ts has it. */
const OPERATION = 4 * Math.sqrt(27) * 2 ** -24 * 27;
/** What is promised of the network. */
const NETWORK = 1e-4;
/** Of LR and reference, as the command line has them; the second LR is cut into blocks of 9×10. */
const SIZES = [
  ["16x24", "64x96"],
  ["36x20", "128x112"],
  ["40x40", "160x160"],
].map((pair) => pair.map((size) => size.split("x").map(Number))) as [lr: [number, number], ref: [number, number]][];
const PHOTOGRAPHS = fileURLToPath(new URL("../../../examples/data/aloe_", import.meta.url));
const GOLDEN = fileURLToPath(new URL("../../../test/golden", import.meta.url));

function difference(a: Values, b: Values): number {
  expect(a.length).to.equal(b.length);
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

describe("ONNX Runtime computes the same:", () => {
  for (const [name, onnxCase] of Object.entries(CASES)) {
    it(name, async () => {
      const { inputs, largest = {}, parameters, build } = onnxCase;
      const device = await testDevice();
      await parameters?.allocate(device);
      const specs = Object.entries(inputs).map(
        ([key, shape]) => [key, { shape, dtype: dtypeOf(key, largest) }] as const,
      );
      const plan = await compile(device, Object.fromEntries(specs), build);
      const data = inputData(onnxCase, name);
      const ours = dataOf(await plan.run(data));
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

  for (const [lr, ref] of SIZES) {
    it(`the shipped network enlarging ${lr.join("×")} by ${ref.join("×")}`, async () => {
      const [lrImage, refImage] = await Promise.all(
        ["lr", "ref"].map((name) => readImage(`${PHOTOGRAPHS}${name}.png`)),
      );
      const reference = cropImage(refImage!, 40, 60, ref[1], ref[0]);
      const images = { lr: cropImage(lrImage!, 10, 15, lr[1], lr[0]), ref: reference, refDown: downscale(reference) };
      const { data, shapes } = tensorsOf(images);
      const masa = await loadMasa(await testDevice());
      const plan = await compile(await testDevice(), shapes, (inputs) => ({ sr: masa.forward(inputs).sr }));
      const { sr } = dataOf(await plan.run(data));
      plan.dispose();
      masa.parameters.dispose();
      await inFolder(async (folder) => {
        const path = join(folder, "masa.onnx");
        await exportOnnx(SHIPPED_WEIGHTS, path, { lr, ref });
        report(sr, (await runOnnx(await readFile(path), data, shapes)).sr!, NETWORK);
      });
    });
  }

  for (const name of ["wrap", "nonsquare", "block9"]) {
    it(`the official network, golden case ${name}`, async () => {
      const set = GoldenSet.open(GOLDEN);
      const { entry } = set.cases.find((golden) => golden.name === name) as GoldenCase;
      const image = (field: string) => set.image(entry.list("images")[0]!.text(field));
      const images = { lr: await image("lr"), ref: await image("ref"), refDown: await image("ref_down") };
      const { data, shapes } = tensorsOf(images);
      const formulas = set.parameters(entry.entry("params"));
      const values = formulas.map(({ name, shape, scale = 1, offset, seed }) => {
        const count = shape.reduce((product, side) => product * side, 1);
        return [name, fill({ seed, scale, offset }, count) as Float32Array] as const;
      });
      const masa = new Masa();
      const build = ({ coarseIndex, fineIndex, ...images }: Tensors) => {
        const matches = { coarseIndex: coarseIndex!, fineIndex: fineIndex! };
        return { sr: masa.forward(images as Images<Tensor>, { implementation: "unfused", ...matches }).sr };
      };
      // A match that rounding flips would move everything after it: the golden ones are handed in.
      const matching = entry.entry("matching");
      const index = async (name: string) => {
        const { shape, data } = await set.tensor(entry.text("file"), matching.entry(name).text("key"));
        return { shape, data: Int32Array.from(data) };
      };
      const [coarse, fine] = [await index("coarse_index"), await index("fine_index")];
      const inputs = { ...shapes, coarseIndex: coarse.shape, fineIndex: fine.shape };
      const model = modelOf({ inputs, largest: { coarseIndex: 0, fineIndex: 0 }, build }, new Map(values));
      const given = { ...data, coarseIndex: coarse.data, fineIndex: fine.data };
      const { sr } = await runOnnx(model.bytes, given, inputs);
      const out = entry.entry("outputs").entry("out");
      report((await set.tensor(entry.text("file"), out.text("key"))).data, sr!, out.number("tol_abs"));
    });
  }
});

type Images<T> = Record<"lr" | "ref" | "refDown", T>;

function tensorsOf(images: Images<Image>): { data: Images<Float32Array>; shapes: Images<number[]> } {
  const each = <T>(of: (image: Image) => T) => ({
    lr: of(images.lr),
    ref: of(images.ref),
    refDown: of(images.refDown),
  });
  return { data: each(toTensor), shapes: each(({ width, height }) => [1, 3, height, width]) };
}

function report(want: Values, got: Values, tolerance: number): void {
  const most = difference(want, got);
  process.stdout.write(` ${most.toExponential(1)} of ${tolerance.toExponential(1)} `);
  expect(most).to.be.below(tolerance);
}
