import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { CheckpointError } from "../../src/files/errors.js";
import { readSafetensors, writeSafetensors } from "../../src/files/safetensors.js";
import type { JsonValue } from "../../src/formats/checkpoint.js";
import { FileTensor } from "../../src/formats/tensor.js";
import { WeightMismatchError } from "../../src/formats/weights.js";
import { compile, dataOf } from "../../src/graph/plan/plan.js";
import { MASA, type MasaConfig } from "../../src/masa/config.js";
import { Masa } from "../../src/masa/masa.js";
import { type ChannelOrder, Vgg19, type VggLayer } from "../../src/masa/vgg.js";
import { writeCheckpoint } from "../../src/models/checkpoint.js";
import { exportMasa } from "../../src/models/export.js";
import { loadMasa, readMasa, readNetwork } from "../../src/models/load.js";
import { readVgg } from "../../src/models/vgg.js";
import { testDevice } from "../device.js";
import { failure, inFolder, uniform } from "../files/golden.js";

/** Small enough that the GPU hardly notices. */
const CONFIG: MasaConfig = {
  ...{ channels: 4, encoderBlocks: [1, 0, 1], decoderBlocks: [1, 0, 1, 0, 1, 0] },
  ...{
    blockSize: 4,
    refBlockScale: 2,
    dilations: [1, 2],
    adaptation: "adain",
    aggregation: "ref",
    useReference: false,
  },
};

type Shaped = Iterable<{ readonly name: string; readonly shape: readonly number[] }>;

/** Tensors of noise for all variables. */
function noise(variables: Shaped, seed: number, prefix = ""): Map<string, FileTensor> {
  return new Map(
    [...variables].map(({ name, shape }, k) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const data = Float32Array.from({ length: size }, (_, i) => uniform(seed + k, i));
      return [prefix + name, FileTensor.of("F32", shape, data)];
    }),
  );
}

describe("weights of a network", () => {
  const variables = new Masa(CONFIG).parameters.all;
  const training = (config: JsonValue) => ({ step: 5, config });
  const numbers = { ...CONFIG, data: "pairs", batch: 9, toString: "x" };

  async function expectValues(masa: Masa, seed: number): Promise<void> {
    const expected = noise(variables, seed);
    for (const variable of [variables[0]!, variables.at(-1)!])
      expect(await masa.parameters.read(masa.parameters.get(variable.name)), variable.name).to.deep.equal(
        expected.get(variable.name)!.data,
      );
  }

  it("come out of a training checkpoint, with the configuration", () =>
    inFolder(async (folder) => {
      const path = join(folder, "step.safetensors");
      const others = noise([{ name: "discriminator/a", shape: [2] }], 9);
      const generator = noise(variables, 100, "generator/");
      const average = noise(variables, 200, "average/");
      const device = await testDevice();
      for (const [tensors, seed] of [
        [new Map([...others, ...generator]), 100],
        [new Map([...generator, ...others, ...average]), 200],
      ] as const) {
        await writeCheckpoint(path, { tensors, state: training(numbers) });
        const masa = await loadMasa(device, path);
        expect(masa.config).to.deep.equal(CONFIG);
        await expectValues(masa, seed);
        masa.parameters.dispose();
      }
      // What the caller says goes before what the file says; what neither says is read from the tensors.
      await writeCheckpoint(path, { tensors: generator, state: training({ dilations: [1], adaptation: "adain" }) });
      const masa = await loadMasa(device, path, { blockSize: 16 });
      expect(masa.config).to.deep.equal({
        ...CONFIG,
        refBlockScale: MASA.refBlockScale,
        blockSize: 16,
        dilations: [1],
        useReference: true,
      });
      masa.parameters.dispose();
    }));

  it("come out of a plain file as before", () =>
    inFolder(async (folder) => {
      const path = join(folder, "plain.safetensors");
      await writeSafetensors(path, noise(variables, 300));
      await failure(() => readMasa(path), WeightMismatchError, /pAda/);
      // No tensor tells of AdaIN.
      const masa = await loadMasa(await testDevice(), path, { adaptation: "adain" });
      const { blockSize, refBlockScale, dilations, useReference } = MASA;
      expect(masa.config).to.deep.equal({ ...CONFIG, blockSize, refBlockScale, dilations, useReference });
      await expectValues(masa, 300);
      masa.parameters.dispose();
    }));

  it("come out of files that call useReference by its old name, reference", () =>
    inFolder(async (folder) => {
      const path = join(folder, "earlier.safetensors");
      const { useReference: reference, ...others } = CONFIG;
      await writeSafetensors(path, noise(variables, 300), [["masa", JSON.stringify({ ...others, reference })]]);
      expect((await readNetwork(path)).masa.config).to.deep.equal(CONFIG);
    }));

  it("are exported with their configuration, in 32 or in 16 bits", () =>
    inFolder(async (folder) => {
      const [from, to] = [join(folder, "step.safetensors"), join(folder, "exported.safetensors")];
      const tensors = new Map([...noise(variables, 100, "generator/"), ...noise(variables, 200, "average/")]);
      await writeCheckpoint(from, { tensors, state: training(numbers) });
      const device = await testDevice();
      for (const half of [false, true]) {
        expect(await exportMasa(from, to, half)).to.equal(variables.reduce((sum, { size }) => sum + size, 0));
        const { tensors: written } = await readSafetensors(to);
        expect([...written.keys()]).to.have.members(variables.map(({ name }) => name));
        expect(new Set([...written.values()].map(({ dtype }) => dtype))).to.deep.equal(new Set([half ? "F16" : "F32"]));
        const masa = await loadMasa(device, to);
        expect(masa.config).to.deep.equal(CONFIG);
        if (!half) await expectValues(masa, 200);
        masa.parameters.dispose();
      }
      await failure(() => exportMasa(join(folder, "none.pth"), to), CheckpointError, /none\.pth does not exist/);
      await writeSafetensors(to, noise(variables, 1), [["masa", "{"]]);
      await failure(() => readMasa(to), CheckpointError, /exported\.safetensors has a configuration that is no JSON/);
    }));

  it("are refused without a GPU", () =>
    inFolder(async (folder) => {
      const path = join(folder, "step.safetensors");
      const generator = noise(variables, 100, "generator/");
      await writeCheckpoint(path, { tensors: noise([{ name: "adam/a", shape: [2] }], 1), state: {} });
      await failure(() => readMasa(path), CheckpointError, /step\.safetensors holds no network/);
      for (const config of [
        { channels: "4" },
        { dilations: 1 },
        { encoderBlocks: [1, "0", 1] },
        { blockSize: null },
        { adaptation: 1 },
      ]) {
        await writeCheckpoint(path, { tensors: generator, state: training(config) });
        await failure(
          () => readMasa(path),
          CheckpointError,
          /step\.safetensors has the \w+ .*, which no network can have/,
        );
      }
      await writeCheckpoint(path, { tensors: generator, state: training({ ...numbers, channels: 5 }) });
      await failure(() => readMasa(path), WeightMismatchError, /step\.safetensors do not fit/);
      await writeCheckpoint(path, { tensors: generator, state: training(null) });
      await readMasa(path, { adaptation: "adain" });

      const bytes = await readFile(path);
      bytes[bytes.length - 1]! ^= 1;
      await writeFile(path, bytes);
      await failure(() => readMasa(path), CheckpointError, /step\.safetensors is damaged/);
    }));
});

describe("weights of VGG19", () => {
  /** [torchvision's number, the paper's] of every convolution, written down from torchvision's model. */
  const PLACES: readonly (readonly [number, string])[] = [
    ...([
      [0, "1_1"],
      [2, "1_2"],
      [5, "2_1"],
      [7, "2_2"],
    ] as const),
    ...([
      [10, "3_1"],
      [12, "3_2"],
      [14, "3_3"],
      [16, "3_4"],
      [19, "4_1"],
      [21, "4_2"],
      [23, "4_3"],
      [25, "4_4"],
    ] as const),
    ...([
      [28, "5_1"],
      [30, "5_2"],
      [32, "5_3"],
      [34, "5_4"],
    ] as const),
  ];
  const VGG16 = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
  const VGG19_BN = [0, 1, 3, 4, 7, 8, 10, 11, 14, 15, 17, 18, 20, 21, 23, 24, 27, 28, 30, 31, 33, 34, 36, 37].concat(
    ...[40, 41, 43, 44, 46, 47, 49, 50],
  );
  const LAYER: VggLayer = "relu2_1";

  const declared = (layer: VggLayer, order?: ChannelOrder) => {
    const vgg = new Vgg19(layer, order);
    return { parameters: vgg.parameters, vgg };
  };
  /** The weights of the first layers under torchvision's names. */
  function torchvision(layer: VggLayer, prefix = ""): Map<string, FileTensor> {
    const own = noise(declared(layer).parameters.all, 1);
    const renamed = [...own].map(([name, tensor]) => {
      const [, id, part] = /^conv(.*)\.(.*)$/.exec(name)!;
      return [`${prefix}features.${PLACES.find((place) => place[1] === id)![0]}.${part}`, tensor] as const;
    });
    return new Map([...renamed, [`${prefix}classifier.0.weight`, FileTensor.of("F32", [1], new Float32Array(1))]]);
  }
  const fake = (names: readonly string[]) =>
    noise(
      names.map((name) => ({ name, shape: [1] })),
      1,
    );
  const features = (numbers: readonly number[]) => fake(numbers.map((number) => `features.${number}.weight`));

  async function values(path: string, layer: VggLayer, order?: ChannelOrder): Promise<Map<string, Float32Array>> {
    const fill = await readVgg(path, layer, order);
    const { parameters } = declared(layer, order);
    await fill(await testDevice(), parameters);
    const read = new Map<string, Float32Array>();
    for (const variable of parameters.all) read.set(variable.name, await parameters.read(variable));
    parameters.dispose();
    return read;
  }

  it("are read by torchvision's names, by its parallel ones, and by the paper's", () =>
    inFolder(async (folder) => {
      const path = join(folder, "vgg.safetensors");
      const own = noise(declared(LAYER).parameters.all, 1);
      for (const tensors of [
        torchvision(LAYER),
        torchvision(LAYER, "module."),
        torchvision("conv2_2"),
        own,
        noise(declared("conv3_1").parameters.all, 1),
      ]) {
        await writeSafetensors(path, tensors);
        const read = await values(path, LAYER);
        expect([...read.keys()]).to.deep.equal([...own.keys()]);
        for (const [name, data] of read) expect(data, name).to.deep.equal(own.get(name)!.data);
      }
    }));

  it("know the places of all convolutions", () =>
    inFolder(async (folder) => {
      const path = join(folder, "vgg.safetensors");
      await writeSafetensors(path, features(PLACES.map(([number]) => number)));
      const error = await failure(() => readVgg(path, "conv5_4"), WeightMismatchError);
      expect(error.missing).to.deep.equal(PLACES.map(([, id]) => `conv${id}.bias`));
      expect(error.misshaped.map(({ name }) => name)).to.deep.equal(PLACES.map(([, id]) => `conv${id}.weight`));
    }));

  it("turn the first convolution round for images in RGB order", () =>
    inFolder(async (folder) => {
      const path = join(folder, "vgg.safetensors");
      await writeSafetensors(path, torchvision(LAYER));
      const [asIs, turned] = [await values(path, LAYER), await values(path, LAYER, "rgb")];
      const at = (weights: Map<string, Float32Array>, n: number, c: number, i: number) =>
        weights.get("conv1_1.weight")![(n * 3 + c) * 9 + i];
      for (const n of [0, 63])
        for (const i of [0, 8]) for (const c of [0, 1, 2]) expect(at(turned, n, c, i)).to.equal(at(asIs, n, 2 - c, i));
      for (const [name, data] of turned) if (name !== "conv1_1.weight") expect(data).to.deep.equal(asIs.get(name));

      // A BGR image through the turned network gives what the same image in RGB gives through the network as it is, where
      // the mean and the deviation are those of the channel. The sums run in another order: 27 terms of at most 3.
      const size = 4;
      const bgr = Float32Array.from({ length: 3 * size * size }, (_, i) => (uniform(2, i) + 1) / 2);
      const planes = [0, 1, 2].map((c) => bgr.slice(c * size * size, (c + 1) * size * size));
      const rgb = Float32Array.from(planes.reverse().flatMap((plane) => [...plane]));
      const seen = await forward(path, "rgb", bgr, size);
      const expected = await forward(path, "bgr", rgb, size);
      const official = await forward(path, "bgr", bgr, size);
      const worst = (a: Float32Array, b: Float32Array) =>
        a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
      expect(worst(seen, expected)).to.be.lessThan(28 * 28 * 3 * 2 ** -24);
      expect(worst(seen, official)).to.be.greaterThan(0.1);
    }));

  async function forward(path: string, order: ChannelOrder, image: Float32Array, size: number): Promise<Float32Array> {
    const device = await testDevice();
    const { parameters, vgg } = declared("conv1_1", order);
    await (await readVgg(path, "conv1_1", order))(device, parameters);
    const plan = await compile(device, { x: [1, 3, size, size] }, ({ x }) => ({ y: vgg.forward(x) }));
    const { y } = dataOf(await plan.run({ x: image }));
    plan.dispose();
    parameters.dispose();
    return y as Float32Array;
  }

  it("are refused without a GPU, by the name of what was found", () =>
    inFolder(async (folder) => {
      const path = join(folder, "vgg.safetensors");
      const refuses = (message: RegExp) => failure(() => readVgg(path, "conv5_4"), CheckpointError, message);
      await refuses(
        /VGG19's weights: .*vgg\.safetensors does not exist\. Give the file vgg19-dcbb9e9d\.pth: torchvision/,
      );
      await writeFile(path, "<html>");
      await refuses(/VGG19's weights: .* no file of weights.*vgg19-dcbb9e9d\.pth/);
      const ids = (layers: readonly string[]) => fake(layers.map((id) => `conv${id}.weight`));
      const shorter = PLACES.map(([, id]) => id).filter((id) => !/^[345]_4$/.test(id));
      for (const [tensors, message] of [
        [features(VGG16), /vgg\.safetensors holds the weights of vgg16; those of vgg19 are wanted\. Give the file/],
        [ids(shorter), /holds the weights of vgg16;/],
        [features(VGG19_BN), /holds the weights of vgg19_bn;/],
        [features([0, 3, 6, 8, 11, 13, 16, 18]), /holds the weights of vgg11;/],
        [features([0, 2, 5, 7, 10, 12, 15, 17, 20, 22]), /holds the weights of vgg13;/],
        [noise([{ name: "enc.a", shape: [1] }], 1), /holds no weights of vgg19; it holds enc\.a/],
        [new Map<string, FileTensor>(), /holds no weights of vgg19; it holds nothing/],
        [torchvision("conv2_2"), /24 tensors are missing \(conv3_1\.weight/],
      ] as const) {
        await writeSafetensors(path, tensors);
        await refuses(message);
      }
      const broken = torchvision(LAYER);
      (broken.get("features.0.bias")!.data as Float32Array)[3] = Number.NaN;
      await writeSafetensors(path, broken);
      await failure(() => readVgg(path, LAYER), CheckpointError, /conv1_1\.bias has values that are infinite or NaN/);
    }));
});
