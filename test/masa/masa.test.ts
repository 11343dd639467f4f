import { expect } from "chai";
import { ArgumentError } from "../../src/errors.js";
import type { Device } from "../../src/gpu/device.js";
import { ShapeError } from "../../src/gpu/errors.js";
import { l1Loss } from "../../src/graph/ops/l1_loss.js";
import { mseLoss } from "../../src/graph/ops/mse_loss.js";
import { add } from "../../src/graph/ops/pointwise.js";
import { compile, dataOf, Plan } from "../../src/graph/plan/plan.js";
import { grad } from "../../src/graph/trace/grad.js";
import { checkpointing, input, trace } from "../../src/graph/trace/graph.js";
import type { Tensor } from "../../src/graph/trace/tensor.js";
import { detach } from "../../src/graph/trace/view.js";
import { configOf, masaConfig } from "../../src/masa/config.js";
import { Discriminator } from "../../src/masa/discriminator.js";
import { Masa } from "../../src/masa/masa.js";
import { Vgg19 } from "../../src/masa/vgg.js";
import { nodePlatform, openDevice } from "../../src/platform/node.js";
import { testDevice } from "../device.js";
import { Random } from "../graph/ops/check.js";
import { rejection } from "../rejection.js";

/** MASA with few channels and blocks: the same code, quick on a software adapter. */
const SMALL = { channels: 8, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] } as const;

const shapes = (lr: [number, number], refDown: [number, number]) => ({
  lr: [1, 3, ...lr],
  ref: [1, 3, 4 * refDown[0], 4 * refDown[1]],
  refDown: [1, 3, ...refDown],
});

describe("masa", () => {
  it("has the official parameters", () => {
    const { parameters } = new Masa();
    expect(parameters.count).to.equal(4_028_291);
    expect(parameters.all).to.have.length(210);
    expect(parameters.all[0]?.name).to.equal("enc.conv_L1.weight");
    expect(parameters.all.at(-1)?.name).to.equal("decoder.pAda.conv_beta.bias");
  });

  it("reads its configuration from the tensors of a state dict", () => {
    const config = masaConfig({ ...SMALL, decoderBlocks: [1, 2, 1, 3, 2, 1] });
    const weights = new Map(new Masa(config).parameters.all.map(({ name, shape }) => [name, { shape }]));
    expect(configOf(weights)).to.deep.equal(config);
  });

  it("refuses numbers that make no network", () => {
    expect(() => new Masa({ channels: 0 })).to.throw(ArgumentError, "channels is 0");
    expect(() => new Masa({ dilations: [] })).to.throw(ArgumentError, "dilations");
    expect(() => new Masa({ encoderBlocks: [1, 1, -1] })).to.throw(ArgumentError, "encoderBlocks");
    const adaptation = "instance" as "sam";
    expect(() => new Masa({ adaptation })).to.throw(ArgumentError, "adaptation is instance. Choose one of sam, spade");
    expect(() => new Masa(SMALL)).not.to.throw();
  });

  it("names an input of the wrong shape", () => {
    const masa = new Masa(SMALL);
    const forward = (given: Record<"lr" | "ref" | "refDown", number[]>) => () =>
      trace(() => {
        const tensors = Object.entries(given).map(([name, shape]) => [name, input(name, shape)]);
        return masa.forward(Object.fromEntries(tensors) as Record<"lr" | "ref" | "refDown", Tensor>);
      });
    const good = shapes([16, 24], [16, 16]);
    expect(forward(good)).not.to.throw();
    expect(forward({ ...good, ref: [1, 3, 64, 60] })).to.throw(
      ShapeError,
      "ref is 60×64. Expected 4 times refDown: 64×64",
    );
    expect(forward({ ...good, refDown: [1, 1, 16, 16] })).to.throw(ShapeError, "refDown has shape [1,1,16,16]");
    expect(forward({ ...good, lr: [1, 3, 16, 26] })).to.throw(ShapeError, "26");
  });

  it("gives reruns, replays and fresh plans of a training step the same bits in every gradient", async () => {
    const device = await testDevice();
    const masa = new Masa(SMALL);
    await masa.parameters.allocate(device, 7);
    const sizes = shapes([16, 24], [20, 16]);
    const step = () =>
      compile(device, { ...sizes, target: [1, 3, 64, 96] }, ({ target, ...inputs }) => {
        const loss = l1Loss(masa.forward(inputs).sr, target);
        const gradients = grad(loss, masa.parameters.trainable);
        return { loss, ...Object.fromEntries(gradients.map((gradient, i) => [`${i}`, gradient])) };
      });
    const random = new Random("training step");
    const data = Object.fromEntries(
      Object.entries({ ...sizes, target: [1, 3, 64, 96] }).map(([name, shape]) => [
        name,
        Float32Array.from(random.array(shape, 0.5, 0.5).data),
      ]),
    ) as Record<"lr" | "ref" | "refDown" | "target", Float32Array>;
    const bits = (results: Record<string, ArrayBufferView>) =>
      Object.values(results).map(({ buffer }) => Buffer.from(buffer as ArrayBuffer).toString("base64"));
    const plan = await step();
    const first = dataOf(await plan.run(data));
    expect([...first.loss].every(Number.isFinite)).to.equal(true);
    const used = masa.parameters.trainable.filter((_, i) =>
      (first as Record<string, Float32Array>)[i]?.some((g) => g !== 0),
    );
    expect(used.length, "parameters with a gradient").to.be.above(0.9 * masa.parameters.trainable.length);
    expect(bits(dataOf(await plan.run(data))), "replay").to.deep.equal(bits(first));
    plan.dispose();
    const fresh = await step();
    expect(bits(dataOf(await fresh.run(data))), "fresh plan").to.deep.equal(bits(first));
    fresh.dispose();
    masa.parameters.dispose();
  });

  it("depends on the reference unless it is told to do without", async () => {
    const device = await testDevice();
    const sizes = shapes([16, 16], [16, 16]);
    const random = new Random("without a reference");
    const pixels = (shape: readonly number[]) => Float32Array.from(random.array(shape, 0.5, 0.5).data);
    const data = { lr: pixels(sizes.lr), ref: pixels(sizes.ref), refDown: pixels(sizes.refDown) };
    const others = { ...data, ref: pixels(sizes.ref), refDown: pixels(sizes.refDown) };
    for (const useReference of [true, false]) {
      const masa = new Masa({ ...SMALL, useReference });
      await masa.parameters.allocate(device, 7);
      const plan = await compile(device, sizes, (inputs) => ({ sr: masa.forward(inputs).sr }));
      const [one, other] = [dataOf(await plan.run(data)), dataOf(await plan.run(others))];
      expect(one.sr.every(Number.isFinite)).to.equal(true);
      expect(one.sr.join() !== other.sr.join(), `useReference ${useReference}`).to.equal(useReference);
      plan.dispose();
      masa.parameters.dispose();
    }
  });

  it("gives the same bits in less memory where features are computed again", async () => {
    const device = await testDevice();
    const masa = new Masa({ ...SMALL, encoderBlocks: [2, 1, 1], decoderBlocks: [1, 1, 1, 3, 2, 2] });
    const vgg = new Vgg19("relu3_1");
    const weights = vgg.parameters;
    await masa.parameters.allocate(device, 7);
    await weights.allocate(device, 8);
    const specs = { ...shapes([16, 16], [16, 16]), target: [1, 3, 64, 64] };
    const random = new Random("recomputed step");
    const data = Object.fromEntries(
      Object.entries(specs).map(([name, shape]) => [name, Float32Array.from(random.array(shape, 0.5, 0.5).data)]),
    ) as Record<keyof typeof specs, Float32Array>;
    const step = async (recompute: boolean) => {
      const plan = await compile(device, specs, ({ target, ...inputs }) => {
        const loss = checkpointing(recompute, () => {
          const { sr } = masa.forward(inputs);
          return add(l1Loss(sr, target), mseLoss(vgg.forward(sr), detach(vgg.forward(target))));
        });
        const gradients = grad(loss, masa.parameters.trainable);
        return { loss, ...Object.fromEntries(gradients.map((gradient, i) => [`${i}`, gradient])) };
      });
      const results = dataOf(await plan.run(data));
      plan.dispose();
      const bits = Object.values(results).map(({ buffer }) => Buffer.from(buffer as ArrayBuffer).toString("base64"));
      return { bits, bytes: plan.bytes };
    };
    const [kept, again] = [await step(false), await step(true)];
    expect(again.bits).to.deep.equal(kept.bits);
    expect(again.bytes).to.be.below(0.75 * kept.bytes);
    masa.parameters.dispose();
    weights.dispose();
  });

  it("trains the official network on the official batch in well under half the memory so", async () => {
    const device = await testDevice();
    const bytes = (recompute: boolean) => {
      const masa = new Masa();
      const { graph, result } = trace(() => {
        const image = (name: string, side: number) => input(name, [9, 3, side, side]);
        const inputs = { lr: image("lr", 40), ref: image("ref", 160), refDown: image("refDown", 40) };
        const { sr } = checkpointing(recompute, () => masa.forward(inputs));
        const loss = l1Loss(sr, image("target", 160));
        const gradients = grad(loss, masa.parameters.trainable);
        return Object.fromEntries(gradients.map((gradient, i) => [`${i}`, gradient]));
      });
      return new Plan(device, graph, result).bytes;
    };
    expect(bytes(true)).to.be.below(0.4 * bytes(false));
  });

  describe("on WebGPU's default limits", () => {
    let device: Device;
    before(async () => {
      const limits = {
        maxBufferSize: 2 ** 28,
        maxStorageBufferBindingSize: 2 ** 27,
        maxStorageBuffersPerShaderStage: 8,
        maxComputeWorkgroupStorageSize: 16384,
        maxComputeInvocationsPerWorkgroup: 256,
        maxComputeWorkgroupSizeX: 256,
        maxComputeWorkgroupSizeY: 256,
      };
      device = await openDevice({ limits }, { ...nodePlatform, warn: () => {} });
    });
    after(() => device.dispose());

    it("plans a training step of the official network at 160×160", async () => {
      const masa = new Masa();
      await masa.parameters.allocate(device);
      const plan = await compile(
        device,
        { ...shapes([40, 40], [40, 40]), target: [1, 3, 160, 160] },
        ({ target, ...inputs }) => {
          const loss = l1Loss(masa.forward(inputs).sr, target);
          const gradients = grad(loss, masa.parameters.trainable);
          return { loss, ...Object.fromEntries(gradients.map((gradient, i) => [`${i}`, gradient])) };
        },
      );
      expect(device.memory().bytes).to.equal(plan.bytes + 4 * masa.parameters.count);
      plan.dispose();
      masa.parameters.dispose();
    });
  });
});

describe("masa with dense matching", () => {
  it("finds every patch of a picture in the same picture", async () => {
    const device = await testDevice();
    const masa = new Masa(SMALL);
    await masa.parameters.allocate(device, 7);
    const plan = await compile(device, shapes([16, 24], [16, 24]), (inputs) => {
      const { sr, matches } = masa.forward(inputs, { matching: "dense" });
      return { sr, index: matches.fineIndex, score: matches.fineScore };
    });
    const random = new Random("the same picture");
    const [lr, ref] = [[1, 3, 16, 24] as const, [1, 3, 64, 96] as const].map((shape) =>
      Float32Array.from(random.array(shape, 0.5, 0.5).data),
    );
    const { sr, index, score } = dataOf(await plan.run({ lr: lr!, ref: ref!, refDown: lr! }));
    expect(sr.every(Number.isFinite)).to.equal(true);
    for (let y = 1; y < 15; y++)
      for (let x = 1; x < 23; x++) {
        expect(index[y * 24 + x], `${x}, ${y}`).to.equal((y - 1) * 22 + x - 1);
        expect(score[y * 24 + x]).to.be.closeTo(1, 1e-5);
      }
    plan.dispose();
    masa.parameters.dispose();
  });
});

describe("discriminator", () => {
  it("takes sizes divisible by 32, and images of that size", async () => {
    expect(() => new Discriminator(100)).to.throw(ArgumentError, "multiple of 32");
    const discriminator = new Discriminator(64, 4);
    const device = await testDevice();
    const error = await rejection(compile(device, { x: [1, 3, 32, 32] }, ({ x }) => ({ y: discriminator.forward(x) })));
    expect(error).to.be.instanceOf(ShapeError);
    expect(error.message).to.contain("32×32, this discriminator takes 64×64");
  });
});
