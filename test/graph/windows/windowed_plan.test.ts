import { expect } from "chai";
import { LimitError } from "../../../src/gpu/errors.js";
import { compile, type Data, dataOf } from "../../../src/graph/plan/plan.js";
import { WindowedPlan } from "../../../src/graph/windows/windowed_plan.js";
import type { FloatStorage } from "../../../src/kernels/kernel.js";
import { Masa, type MasaInputs } from "../../../src/masa/masa.js";
import { openDevice } from "../../../src/platform/node.js";
import { upscaleGraph } from "../../../src/upscale/run.js";
import { testDevice } from "../../device.js";
import { Random } from "../ops/check.js";

/** A shallow network, and one as deep as the official one at LR's and the result's size. */
const SHALLOW = { channels: 8, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 2, 1, 1] } as const;
const DEEP = { channels: 4, encoderBlocks: [4, 4, 4], decoderBlocks: [2, 2, 4, 8, 8, 4] } as const;

interface Case {
  readonly what: string;
  /** Height and width in pixels. */
  readonly lr: readonly [number, number];
  readonly refDown: readonly [number, number];
  readonly memory: number;
  readonly network?: typeof SHALLOW | typeof DEEP;
  readonly storage?: FloatStorage;
}

const CASES: readonly Case[] = [
  { what: "some windows", lr: [24, 40], refDown: [28, 20], memory: 3e6 },
  { what: "more windows", lr: [64, 40], refDown: [36, 68], memory: 3e6 },
  { what: "search windows that wrap around", lr: [80, 72], refDown: [12, 12], memory: 4.5e6 },
  { what: "blocks of 9 and 10 pixels", lr: [36, 20], refDown: [44, 52], memory: 3e6 },
  { what: "a deep network", lr: [64, 96], refDown: [64, 48], memory: 4e6, network: DEEP },
  { what: "f16 storage", lr: [40, 104], refDown: [92, 100], memory: 4e6, storage: "f16" },
];

function sample({ lr: [h, w], refDown: [hr, wr], network = SHALLOW, storage = "f32" }: Case) {
  const masa = new Masa(network);
  const shapes = { lr: [1, 3, h, w], ref: [1, 3, 4 * hr, 4 * wr], refDown: [1, 3, hr, wr] };
  const random = new Random(`${h} ${w}`);
  const values = (shape: readonly number[]) => Float32Array.from(random.array(shape).data, Math.abs);
  const data = { lr: values(shapes.lr), ref: values(shapes.ref), refDown: values(shapes.refDown) };
  return { masa, shapes, data, build: (inputs: MasaInputs) => upscaleGraph(masa, inputs, { storage, matches: true }) };
}

describe("windowed plan", () => {
  for (const example of CASES) {
    it(`gives the bits of the whole run within its memory: ${example.what}`, async () => {
      const device = await testDevice();
      const { masa, shapes, data, build } = sample(example);
      await masa.parameters.allocate(device, 3);
      try {
        const whole = await compile(device, shapes, build);
        const expected = dataOf(await whole.run(data));
        whole.dispose();
        expect(whole.bytes).to.be.above(example.memory);
        const windowed = new WindowedPlan(device, shapes, (inputs) => build(inputs as unknown as MasaInputs), example);
        const { bytes, windows } = windowed.estimate;
        expect(bytes).to.be.at.most(example.memory);
        expect(windows).to.be.above(12);
        const found = await windowed.run(data);
        for (const [name, values] of Object.entries(expected))
          expect(Buffer.compare(bytesOf(values), bytesOf(found[name] as Data)), name).to.equal(0);
      } finally {
        masa.parameters.dispose();
      }
    });
  }

  it("takes what it estimates, and gives it back", async () => {
    const device = await openDevice();
    const { masa, shapes, data, build } = sample(CASES[1] as Case);
    await masa.parameters.allocate(device, 3);
    const before = device.memory().bytes;
    const windowed = new WindowedPlan(device, shapes, (inputs) => build(inputs as unknown as MasaInputs), {
      memory: 3e6,
    });
    await windowed.run(data);
    expect(device.memory().peakBytes - before).to.equal(windowed.estimate.bytes);
    expect(device.memory().bytes).to.equal(before);
    device.close();
  });

  it("stops where it is when the signal aborts, and runs again", async () => {
    const device = await testDevice();
    const { masa, shapes, data, build } = sample(CASES[0] as Case);
    await masa.parameters.allocate(device, 3);
    try {
      const windowed = new WindowedPlan(device, shapes, (inputs) => build(inputs as unknown as MasaInputs), {
        memory: 3e6,
      });
      const { bytes } = device.memory();
      const stop = new AbortController();
      const shares: number[] = [];
      const onProgress = ({ share }: { share: number }) => {
        shares.push(share);
        if (share > 0.5) stop.abort(new Error("enough"));
      };
      const error = await windowed.run(data, { onProgress, signal: stop.signal }).catch((reason: unknown) => reason);
      expect(error).to.have.property("message", "enough");
      expect(device.memory().bytes).to.equal(bytes);
      expect(shares).to.deep.equal(shares.toSorted((a, b) => a - b));
      const { sr } = await windowed.run(data);
      expect(sr?.every(Number.isFinite)).to.equal(true);
    } finally {
      masa.parameters.dispose();
    }
  });

  it("refuses a memory that holds not even the smallest windows", async () => {
    const device = await testDevice();
    const { shapes, build } = sample(CASES[1] as Case);
    const make = () =>
      new WindowedPlan(device, shapes, (inputs) => build(inputs as unknown as MasaInputs), { memory: 1e5 });
    expect(make).to.throw(LimitError, "does not fit into 97.7 KiB. Allow more GPU memory");
  });
});

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}
