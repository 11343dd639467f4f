import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { zipSync } from "fflate";
import { CheckpointError } from "../../src/files/errors.js";
import { writeSafetensors } from "../../src/files/safetensors.js";
import { readWeights } from "../../src/files/weights.js";
import type { FileTensor } from "../../src/formats/tensor.js";
import { matchWeights, WeightMismatchError } from "../../src/formats/weights.js";
import { failure, goldenPath, inFolder } from "../files/golden.js";

const ascii = (text: string) => [...text].map((character) => character.charCodeAt(0));
const text = (value: string) => [0x58, value.length, 0, 0, 0, ...ascii(value)];

/** A dictionary in a pickle: each value as its instructions. */
const dictionary = (entries: Record<string, number[]>) => [
  0x7d,
  0x28,
  ...Object.entries(entries).flatMap(([key, value]) => [...text(key), ...value]),
  0x75,
];

/** The instructions of a tensor of two floats. */
const tensor = [
  ...ascii("ctorch._utils\n_rebuild_tensor_v2\n(("),
  ...text("storage"),
  ...ascii("ctorch\nFloatStorage\n"),
  ...[...text("0"), ...text("cpu"), 0x4b, 2, 0x74, 0x51, 0x4b, 0, 0x4b, 2, 0x85, 0x4b, 1, 0x85, 0x89, 0x7d, 0x74, 0x52],
];

async function read(value: number[]): Promise<Map<string, FileTensor>> {
  const bytes = zipSync(
    { "a/data.pkl": Uint8Array.of(0x80, 2, ...value, 0x2e), "a/data/0": new Uint8Array(8) },
    { level: 0 },
  );
  let weights = new Map<string, FileTensor>();
  await inFolder(async (folder) => {
    const path = join(folder, "w.pth");
    await writeFile(path, bytes);
    weights = await readWeights(path);
  });
  return weights;
}

describe("weights", () => {
  it("reads all formats by content and strips the parallel prefix", () =>
    inFolder(async (folder) => {
      const legacy = await readWeights(goldenPath("ckpt/enc_nf8_module_legacy.pth"));
      const zip = await readWeights(goldenPath("ckpt/enc_nf8_module_zip_cuda.pth"));
      expect([...zip.keys()]).to.deep.equal([...legacy.keys()]);
      expect([...zip.keys()].slice(0, 2)).to.deep.equal(["conv_L1.weight", "conv_L1.bias"]);
      const path = join(folder, "misleading.pth");
      await writeSafetensors(path, new Map([...zip].map(([name, value]) => [`module.${name}`, value])));
      const safe = await readWeights(path);
      for (const [name, { shape, data }] of legacy) {
        expect(zip.get(name)!.data, name).to.deep.equal(data);
        expect(safe.get(name)!.data, name).to.deep.equal(data);
        expect(safe.get(name)!.shape, name).to.deep.equal(shape);
      }
    }));

  it("looks inside wrappers", async () => {
    for (const value of [
      dictionary({ w: tensor }),
      dictionary({ epoch: [0x4b, 3], state_dict: dictionary({ "module.w": tensor }) }),
      dictionary({ params: dictionary({ w: tensor }), params_ema: dictionary({ w: tensor }) }),
      dictionary({ state_dict: dictionary({ params: dictionary({ w: tensor }) }) }),
    ]) {
      const weights = await read(value);
      expect([...weights.keys()]).to.deep.equal(["w"]);
      expect(weights.get("w")!.shape).to.deep.equal([2]);
    }
  });

  it("says what a file without weights holds", async () => {
    await failure(() => read([0x4b, 1]), CheckpointError, /w\.pth holds no weights: it holds no dictionary/);
    await failure(
      () => read(dictionary({ step: [0x4b, 1] })),
      CheckpointError,
      /"step" in it is no tensor\..*state_dict/,
    );
    const twice = dictionary({ w: tensor, "module.w": tensor });
    await failure(() => read(twice), CheckpointError, /w with and without 'module\.'/);
    await failure(
      () => readWeights(goldenPath("ckpt/scheduler_zip.pth")),
      CheckpointError,
      /"T_max" in it is no tensor/,
    );
    await failure(() => readWeights(goldenPath("img/resize_up_in.png")), CheckpointError, /no file of weights/);
    await failure(() => readWeights(goldenPath("img")), CheckpointError, /is a folder/);
  });

  it("lists every tensor that does not fit in one error", async () => {
    const found = new Map([
      ["a", { shape: [3] }],
      ["b", { shape: [32, 1] }],
      ["c", { shape: [] }],
    ]);
    const expected = [
      { name: "a", shape: [3] },
      { name: "b", shape: [64, 1] },
      ...Array.from({ length: 7 }, (_, i) => ({ name: `m${i}`, shape: [1] })),
    ];
    const error = await failure(() => matchWeights(expected, found, "w.pth"), WeightMismatchError);
    expect(error).to.be.instanceOf(CheckpointError);
    expect(error.message).to.contain(
      "weights w.pth do not fit this network: 7 tensors are missing (m0; m1; m2; m3; m4 and 2 more), 1 is unexpected (c), 1 has another shape (b: file [32,1], network [64,1]). ",
    );
    expect(error.missing).to.deep.equal(["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
    expect(error.unexpected).to.deep.equal(["c"]);
    expect(error.misshaped).to.deep.equal([{ name: "b", file: [32, 1], network: [64, 1] }]);
    matchWeights(expected.slice(0, 1), new Map([["a", { shape: [3] }]]), "w.pth");
  });
});
