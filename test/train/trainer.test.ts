import { expect } from "chai";
import { Random } from "../../src/data/random.js";
import type { Device } from "../../src/gpu/device.js";
import type { MasaConfig } from "../../src/masa/config.js";
import { nodePlatform, openDevice } from "../../src/platform/node.js";
import { trainConfig } from "../../src/train/config.js";
import { Networks } from "../../src/train/networks.js";
import type { StepData, StepResult } from "../../src/train/step.js";
import { Trainer } from "../../src/train/trainer.js";
import { testDevice } from "../device.js";
import { rejection } from "../rejection.js";

const SMALL: Partial<MasaConfig> = { channels: 8, encoderBlocks: [1, 0, 1], decoderBlocks: [0, 1, 0, 1, 0, 1] };
const SIZE = 32;
const RATES = { lr: 1e-3, discriminatorLr: 1e-3 };
/** The manifest of the goldens: single ReLU masks that flip move a gradient of a whole network by so much (relative L2). */
const GRADIENT_TOLERANCE = 1e-3;

const shapes = (batch: number) => ({
  lr: [batch, 3, SIZE / 4, SIZE / 4],
  hr: [batch, 3, SIZE, SIZE],
  ref: [batch, 3, SIZE, SIZE],
  refDown: [batch, 3, SIZE / 4, SIZE / 4],
});

/** Smooth random pictures: matches in noise would be near ties. */
function data(batch: number, seed = 1): StepData {
  const random = new Random({ seed, epoch: 0 });
  const draw = (side: number) => {
    const values = new Float32Array(batch * 3 * side * side);
    for (let plane = 0; plane < batch * 3; plane++) {
      const [fx, fy, phase] = [random.between(1, 5), random.between(1, 5), random.between(0, 6)];
      for (let y = 0; y < side; y++)
        for (let x = 0; x < side; x++)
          values[(plane * side + y) * side + x] = 0.5 + 0.4 * Math.sin(phase + (fx * x + fy * y) * (6 / side));
    }
    return values;
  };
  return { lr: draw(SIZE / 4), hr: draw(SIZE), ref: draw(SIZE), refDown: draw(SIZE / 4) };
}

interface Outcome {
  readonly steps: readonly StepResult[];
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** Of GPU memory. */
  readonly bytes: number;
}

/** Names the direct variant for every choice: its sums have one order for all batches, so that no ReLU flips between them. */
class Plain extends Map<string, string> {
  override get(): string {
    return "direct";
  }
}

interface RunOptions {
  readonly device?: Device;
  readonly choices?: ReadonlyMap<string, string>;
}

/** Trains a small network for some steps. */
async function run(
  changes: Record<string, unknown>,
  steps: readonly StepData[],
  { device, choices }: RunOptions = {},
): Promise<Outcome> {
  const gpu = device ?? (await testDevice());
  const config = trainConfig({ data: "none", batch: 4, size: SIZE, discriminatorChannels: 4, ...SMALL, ...changes });
  const networks = new Networks(config);
  await networks.allocate(gpu, 7);
  try {
    const trainer = await Trainer.create(gpu, networks, config, shapes(config.batch), choices && { choices });
    try {
      const results: StepResult[] = [];
      for (const step of steps) results.push(await trainer.step(step, RATES));
      const tensors = [...(await trainer.tensors())].map(([name, t]) => [name, t.toFloat32()] as const);
      return { steps: results, tensors: new Map(tensors), bytes: trainer.bytes };
    } finally {
      trainer.dispose();
    }
  } finally {
    networks.dispose();
  }
}

/** ‖a − b‖ / ‖b‖. */
function distance(a: Float32Array, b: Float32Array): number {
  const norm = (values: Float32Array) => Math.hypot(...values);
  return norm(a.map((value, i) => value - b[i]!)) / Math.max(norm(b), Number.MIN_VALUE);
}

function expectEqual(a: Outcome, b: Outcome): void {
  expect([...a.tensors.keys()]).to.deep.equal([...b.tensors.keys()]);
  for (const [name, values] of a.tensors) expect(values, name).to.deep.equal(b.tensors.get(name));
}

describe("trainer", () => {
  for (const [objective, adv] of [
    ["L1", 0],
    ["adversarial", 0.1],
  ] as const)
    it(`adds up micro-batches to the gradients of the batch (${objective})`, async () => {
      // Batch norm and the relativistic mean look at the micro-batch: they agree where all of them hold the same.
      const half = data(2);
      const twice = (values: Float32Array) => Float32Array.of(...values, ...values);
      const whole = adv
        ? { lr: twice(half.lr), hr: twice(half.hr), ref: twice(half.ref), refDown: twice(half.refDown) }
        : data(4);
      const choices = new Plain();
      const [at, parts] = [
        await run({ adv }, [whole], { choices }),
        await run({ adv, microBatch: 2 }, [whole], { choices }),
      ];
      expect(parts.steps[0]!.losses.total).to.be.closeTo(at.steps[0]!.losses.total!, 1e-6);
      expect(parts.steps[0]!.gradientNorm).to.be.closeTo(at.steps[0]!.gradientNorm, GRADIENT_TOLERANCE);
      const moments = [...at.tensors].filter(([name]) => /^adam\/generator.*\/exp_avg$/.test(name));
      expect(moments.length).to.be.above(20);
      for (const [name, values] of moments)
        expect(distance(parts.tensors.get(name)!, values), name).to.be.below(GRADIENT_TOLERANCE);
      expect(parts.bytes).to.be.below(at.bytes * 1.5);
    });

  it("drops what the last batch left in the sums", async () => {
    const [first, second] = [data(4, 1), data(4, 2)];
    const both = await run({ microBatch: 2, betas: [0, 0] }, [first, second]);
    const zero = await run({ microBatch: 2, betas: [0, 0] }, [first, second]);
    expectEqual(both, zero);
    // With β₁ = 0 the first moment is the gradient: of the second batch alone.
    const alone = await run({ microBatch: 1, betas: [0, 0] }, [first, second]);
    for (const [name, values] of alone.tensors)
      if (name.endsWith("/exp_avg")) expect(distance(both.tensors.get(name)!, values), name).to.be.below(5e-2);
  });

  it("gives the same bits with recomputed activations", async () => {
    const steps = [data(4, 1), data(4, 2)];
    expectEqual(await run({ recompute: true }, steps), await run({}, steps));
  });

  it("gives the same bits again, and others with another batch", async () => {
    const [a, b] = [await run({ adv: 0.1, average: 0.9 }, [data(4)]), await run({ adv: 0.1, average: 0.9 }, [data(4)])];
    expectEqual(a, b);
    const other = await run({ adv: 0.1, average: 0.9 }, [data(4, 2)]);
    expect(other.tensors.get("generator/enc.conv_L1.weight")).not.to.deep.equal(
      a.tensors.get("generator/enc.conv_L1.weight"),
    );
  });

  it("falls in its loss on one batch", async () => {
    const { steps } = await run({}, new Array<StepData>(15).fill(data(4)));
    expect(steps.at(-1)!.losses.total).to.be.below(0.99 * steps[0]!.losses.total!);
  });

  it("skips a step whose numbers are not finite, and names it", async () => {
    const broken = data(4);
    broken.hr[5] = Number.NaN;
    const before = await run({ adv: 0.1, average: 0.9 }, []);
    const { steps, tensors } = await run({ adv: 0.1, average: 0.9 }, [broken]);
    expect(steps[0]!.skipped).to.equal("the loss dis");
    for (const [name, values] of tensors) {
      expect(values.every(Number.isFinite), name).to.equal(true);
      if (!name.includes("running_")) expect(values, name).to.deep.equal(before.tensors.get(name));
    }
    const l1 = await run({}, [broken]);
    expect(l1.steps[0]!.skipped).to.match(/^the loss (rec|total)$/);
    const parts = await run({ microBatch: 2 }, [broken, data(4)]);
    expect(parts.steps.map(({ skipped }) => skipped !== undefined)).to.deep.equal([true, false]);
  });

  it("goes on after a skipped step as if it had not been", async () => {
    const broken = { ...data(4), lr: new Float32Array(4 * 3 * (SIZE / 4) ** 2).fill(Number.POSITIVE_INFINITY) };
    expectEqual(await run({}, [data(4, 1), broken, data(4, 2)]), await run({}, [data(4, 1), data(4, 2)]));
  });

  it("clips the norm of the gradient", async () => {
    const free = await run({ betas: [0, 0] }, [data(4)]);
    const { gradientNorm } = free.steps[0]!;
    const clipped = await run({ betas: [0, 0], clip: gradientNorm / 4 }, [data(4)]);
    expect(clipped.steps[0]!.gradientNorm).to.equal(gradientNorm);
    for (const [name, values] of free.tensors) {
      if (!name.endsWith("/exp_avg")) continue;
      // The 1e-6 is PyTorch's, against a division by 0.
      const shorter = values.map((value) => (value * gradientNorm) / 4 / (gradientNorm + 1e-6));
      expect(distance(clipped.tensors.get(name)!, shorter), name).to.be.below(1e-5);
    }
  });

  it("averages the weights", async () => {
    const decay = 0.75;
    const [start, one] = [await run({ average: decay }, []), await run({ average: decay }, [data(4)])];
    for (const [name, values] of one.tensors) {
      if (!name.startsWith("average/")) continue;
      const parameter = name.replace("average", "generator");
      const [before, after] = [start.tensors.get(parameter)!, one.tensors.get(parameter)!];
      const expected = before.map((value, i) => decay * value + (1 - decay) * after[i]!);
      expect(distance(values, expected), name).to.be.below(1e-6);
    }
  });

  it("computes no loss whose factor is 0", async () => {
    const [{ losses }] = (await run({}, [data(4)])).steps as [StepResult];
    expect(Object.keys(losses)).to.deep.equal(["rec", "total"]);
    const [both] = (await run({ rec: 0, adv: 1 }, [data(4)])).steps as [StepResult];
    expect(Object.keys(both.losses).sort()).to.deep.equal(["adv", "dis", "total"]);
    expect(both.losses.total).to.equal(both.losses.adv);
  });

  it("adds the loss of the colour", async () => {
    const [{ losses }] = (await run({ chroma: 4, smooth: 0.1 }, [data(4)])).steps as [StepResult];
    expect(Object.keys(losses)).to.deep.equal(["rec", "chroma", "total"]);
    expect(losses.total).to.be.closeTo(losses.rec! + 4 * losses.chroma!, 1e-6);
    expect(losses.chroma).to.be.above(0);
  });

  it("adds the loss of the edges, half of it in each direction", async () => {
    const [{ losses }] = (await run({ edges: 3, smooth: 0.1 }, [data(4)])).steps as [StepResult];
    expect(Object.keys(losses)).to.deep.equal(["rec", "edges", "total"]);
    expect(losses.total).to.be.closeTo(losses.rec! + 3 * losses.edges!, 1e-6);
    expect(losses.edges).to.be.above(0);
  });

  it("lets samples without a reference see nothing of it", async () => {
    const changes = { dropReference: 0.5 };
    const some = { ...data(4), present: Float32Array.of(1, 0, 1, 0) };
    const length = some.ref.length / 4;
    const altered = (samples: readonly number[]) => {
      const ref = some.ref.map((value, i) => (samples.includes(Math.floor(i / length)) ? 1 - value : value));
      return { ...some, ref };
    };
    const gradients = ({ tensors }: Outcome) =>
      [...tensors].filter(([name]) => /^adam\/generator\/decoder.*\/exp_avg$/.test(name));
    const [plain, unseen, seen] = [
      await run(changes, [some]),
      await run(changes, [altered([1, 3])]),
      await run(changes, [altered([0])]),
    ];
    expect(unseen.steps[0]!.losses).to.deep.equal(plain.steps[0]!.losses);
    for (const [name, values] of gradients(plain)) expect(unseen.tensors.get(name), name).to.deep.equal(values);
    expect(seen.steps[0]!.losses).not.to.deep.equal(plain.steps[0]!.losses);
    for (const values of plain.tensors.values()) expect(values.every(Number.isFinite)).to.equal(true);
  });

  it("takes no state of another network", async () => {
    const gpu = await testDevice();
    const config = trainConfig({ data: "none", batch: 1, size: SIZE, ...SMALL });
    const other = await run({ channels: 4, batch: 1 }, []);
    const networks = new Networks(config);
    await networks.allocate(gpu, 0);
    const trainer = await Trainer.create(gpu, networks, config, shapes(1));
    try {
      const { FileTensor } = await import("../../src/formats/tensor.js");
      const tensors = new Map([...other.tensors].map(([name, v]) => [name, FileTensor.of("F32", [v.length], v)]));
      const error = await rejection(
        (async () => trainer.restore(tensors, { generator: 1, discriminator: 0 }, "x.safetensors"))(),
      );
      expect(error.message).to.include("x.safetensors is of another network: generator/enc.conv_L1.weight is [");
    } finally {
      trainer.dispose();
      networks.dispose();
    }
  });

  for (const changes of [{}, { adv: 0.1, average: 0.9 }, { adv: 0.1, microBatch: 2 }, { recompute: true }])
    it(`takes at its peak the bytes that it predicts (${JSON.stringify(changes)})`, async () => {
      const device = await openDevice({}, { ...nodePlatform, warn: () => {} });
      const config = trainConfig({
        data: "none",
        batch: 4,
        size: SIZE,
        discriminatorChannels: 4,
        ...SMALL,
        ...changes,
      });
      const predicted = Trainer.plan(device, new Networks(config), config, shapes(4)).bytes;
      expect(device.memory().peakBytes, "nothing is taken").to.equal(0);
      const networks = new Networks(config);
      await networks.allocate(device, 7);
      const trainer = await Trainer.create(device, networks, config, shapes(4));
      for (const step of [1, 2]) await trainer.step(data(4, step), RATES);
      const { bytes, peakBytes } = device.memory();
      expect({ bytes, peakBytes }).to.deep.equal({ bytes: predicted, peakBytes: predicted });
      device.dispose();
    });

  it("leaves no GPU memory behind", async () => {
    const device = await testDevice();
    const { bytes } = device.memory();
    await run({ adv: 0.1, average: 0.9, microBatch: 2 }, [data(4)]);
    expect(device.memory().bytes).to.equal(bytes);
  });
});
