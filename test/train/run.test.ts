/** Training runs from begin to end: the bits of a run, of one that was stopped, and what a run leaves behind. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Device } from "../../src/gpu/device.js";
import { readCheckpoint } from "../../src/models/checkpoint.js";
import type { TrainChanges } from "../../src/train/config.js";
import type { StepEvent, ValidationEvent } from "../../src/train/run.js";
import { noise, put, putPairs } from "../data/files.js";
import { testDevice } from "../device.js";
import { hash } from "../files/golden.js";
import { digestOf, figuresOf, run, runWithStops, temporaryFiles } from "./runs.js";

const STEPS = 10;
/** One is held out to validate with; 6 make 3 steps an epoch. */
const PAIRS = 7;

/** Runs whose bits are compared, by what is special about them. */
const RUNS: Readonly<Record<string, TrainChanges>> = {
  "that begins to flip and turn images in its second epoch": { geometryFrom: 1 },
  "with a running average, clipped gradients, warm-up and a falling rate": {
    ...{ average: 0.9, clip: 0.01, warmup: 6, schedule: "step", period: 1, gamma: 0.5 },
  },
  "in micro-batches": { microBatch: 1, recompute: true },
  "with a discriminator": { adv: 0.01 },
  "with a loss of colour, samples without a reference and pairs that turn together": {
    ...{ chroma: 4, smooth: 0.1, dropReference: 0.5, orient: "together" },
  },
};

describe("training run", () => {
  let device: Device;
  let folder: string;
  let data: string;
  const at = (...names: readonly string[]) => join(folder, ...names);

  before(async () => {
    device = await testDevice();
    folder = mkdtempSync(join(tmpdir(), "masa-run-"));
    data = at("data");
    await putPairs(data, PAIRS);
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [i, [what, changes]] of Object.entries(RUNS).entries())
    it(`${what} has the same bits after any stops`, async () => {
      const wanted = { data, steps: STEPS, ...changes };
      const whole = await run(device, at(`${i}/whole`), wanted);
      const stops = [0, 1, 2].map((k) => 1 + (hash(i, k) % (STEPS - 1)));
      const sorted = [...new Set(stops)].sort((a, b) => a - b);
      const parts = await runWithStops(device, at(`${i}/parts`), wanted, sorted);
      expect(await digestOf(parts.checkpoint), `stopped at ${sorted}`).to.equal(await digestOf(whole.checkpoint));
      const figures = await figuresOf(at(`${i}/whole`));
      expect(figures.filter(({ total }) => total !== undefined)).to.have.length(STEPS);
      expect(await figuresOf(at(`${i}/parts`))).to.deep.equal(figures);
      expect({ ...parts, checkpoint: "" }).to.deep.equal({ ...whole, checkpoint: "" });
      expect(temporaryFiles(at(`${i}`))).to.deep.equal([]);
    });

  it("has the same bits in every run, and others for another seed", async () => {
    const digests: string[] = [];
    for (const [i, changes] of [{}, {}, { workers: 3 }, { seed: 1 }].entries()) {
      const { checkpoint } = await run(device, at(`seed${i}`), { data, steps: 4, ...changes });
      digests.push(await digestOf(checkpoint));
    }
    const [first, again, workers, other] = digests;
    expect([again, workers]).to.deep.equal([first, first]);
    expect(other).not.to.equal(first);
  });

  it("may go on longer, with other memory and other habits, and keeps its bits", async () => {
    const whole = await run(device, at("long"), { data, steps: 8 });
    await run(device, at("short"), { data, steps: 5 });
    const changes: TrainChanges = { steps: 8, recompute: true, keep: 1, workers: 2, checkpointEvery: 1, maxSkips: 3 };
    const { checkpoint, step } = await run(device, at("short"), changes, { resume: true });
    expect(step).to.equal(8);
    expect(await digestOf(checkpoint)).to.equal(await digestOf(whole.checkpoint));
    expect(readdirSync(at("short/checkpoints")).sort()).to.deep.equal([
      "best.safetensors",
      "step-00000008.safetensors",
    ]);
  });

  it("stops early with the learning rates of the whole run, and can go on to its end", async () => {
    const wanted: TrainChanges = { data, steps: 6, schedule: "anneal" };
    const whole = await run(device, at("whole"), wanted);
    const { step } = await run(device, at("cut"), { ...wanted, stopAt: 4 });
    expect(step).to.equal(4);
    const rates = async (out: string) => (await figuresOf(at(out))).flatMap(({ lr }) => (lr === undefined ? [] : [lr]));
    expect(await rates("cut")).to.deep.equal((await rates("whole")).slice(0, 4));
    const { checkpoint } = await run(device, at("cut"), { stopAt: null }, { resume: true });
    expect(await digestOf(checkpoint)).to.equal(await digestOf(whole.checkpoint));
  });

  it("tells its steps, epochs, checkpoints and validations", async () => {
    const told: unknown[] = [];
    const summary = await run(
      device,
      at("events"),
      { data, steps: 7, validateEvery: 5, checkpointEvery: 4 },
      {
        onStep: ({ step, steps, epoch, lr }) => told.push({ step, steps, epoch, lr }),
        onEpoch: (epoch) => told.push({ epoch }),
        onValidation: ({ step }) => told.push({ validated: step }),
        onCheckpoint: (path, step) => told.push({ saved: step, path }),
      },
    );
    const best = summary.best?.step;
    const step = (step: number, epoch: number) => ({ step, steps: 7, epoch, lr: 1e-2 });
    const saved = (step: number) => ({
      ...{ saved: step, path: at("events/checkpoints", `step-0000000${step}.safetensors`) },
    });
    expect(best).to.be.oneOf([5, 7]);
    expect(told).to.deep.equal([
      ...[saved(0), step(1, 1), step(2, 1), step(3, 1), { epoch: 1 }, step(4, 2), saved(4)],
      // The first validation is the best so far, which is saved at once.
      ...[step(5, 2), { validated: 5 }, saved(5), step(6, 2), { epoch: 2 }],
      ...[step(7, 3), { validated: 7 }, saved(7)],
    ]);
    expect(summary).to.include({ step: 7, stopped: false, skipped: 0, checkpoint: saved(7).path });
  });

  it("takes no more memory after 30 steps than after 3, and gives all back, also after an error", async () => {
    const before = device.memory();
    const bytes: number[] = [];
    const onStep = ({ gpuBytes }: StepEvent) => void bytes.push(gpuBytes);
    const changes: TrainChanges = { data, steps: 30, adv: 0.01, average: 0.9, validateEvery: 10, keep: 1 };
    await run(device, at("memory"), changes, { onStep });
    expect(bytes[29]).to.equal(bytes[2]).and.above(before.bytes);
    const { bytes: now, buffers } = device.memory();
    expect({ bytes: now, buffers }).to.deep.equal({ bytes: before.bytes, buffers: before.buffers });

    for (const event of ["onStep", "onCheckpoint", "onValidation", "onMessage"]) {
      const fail = () => {
        throw new Error("enough");
      };
      const failed = await run(device, at(`memory-${event}`), changes, { [event]: fail }).catch((error) => error);
      expect(failed).to.include({ message: "enough" });
      const after = device.memory();
      expect({ bytes: after.bytes, buffers: after.buffers }, event).to.deep.equal({ bytes: now, buffers });
    }
  });

  it("ends without a trace in the folder when it is stopped before its first step", async () => {
    const signal = AbortSignal.abort(new Error("no longer wanted"));
    const stopped = await run(device, at("early"), { data, steps: 5 }, { signal }).catch((error) => error);
    expect(stopped).to.include({ message: "no longer wanted" });
    expect(existsSync(at("early"))).to.equal(false);
  });
});

describe("validation of a training run", () => {
  let device: Device;
  let folder: string;
  const at = (...names: readonly string[]) => join(folder, ...names);

  before(async () => {
    device = await testDevice();
    folder = mkdtempSync(join(tmpdir(), "masa-run-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("keeps the best network and draws a sheet", async () => {
    await putPairs(at("data"), PAIRS);
    const events: ValidationEvent[] = [];
    const changes: TrainChanges = { data: at("data"), steps: 9, validateEvery: 1, checkpointEvery: 100, keep: 1 };
    const onValidation = (event: ValidationEvent) => void events.push(event);
    const { best } = await run(device, at("run"), changes, { onValidation });

    let highest = Number.NEGATIVE_INFINITY;
    for (const event of events) {
      expect(event.best, `at step ${event.step}`).to.equal(event.mean.psnr > highest);
      highest = Math.max(highest, event.mean.psnr);
      expect(event.sheet).to.equal(at(`run/samples/step-0000000${event.step}.png`));
      expect(existsSync(event.sheet as string)).to.equal(true);
    }
    // Otherwise nothing would be shown: the first and the last are saved anyway.
    const bests = events.filter(({ best }) => best).map(({ step }) => step);
    expect(bests.length).to.be.within(2, 8);
    expect(best).to.deep.equal({ psnr: highest, step: bests.at(-1) });
    const { state } = await readCheckpoint(at("run/checkpoints/best.safetensors"));
    expect(state).to.deep.include({ step: bests.at(-1), best });
  });

  it("does not train with the pairs that it holds out", async () => {
    const digests: string[] = [];
    for (const [name, changed] of [["as it is"], ["held out", 6], ["trained with", 0]] as const) {
      const data = at(name, "data");
      await putPairs(data, PAIRS);
      if (changed !== undefined) await put(noise(100), data, `train/input/00${changed}.png`);
      const { checkpoint } = await run(device, at(name, "run"), { data, steps: 6, validateCases: 1 });
      digests.push(await digestOf(checkpoint));
    }
    expect(digests[1]).to.equal(digests[0]);
    expect(digests[2]).not.to.equal(digests[0]);
  });

  it("is left out where no cases are wanted", async () => {
    const data = at("no cases");
    await putPairs(data, 2);
    const { best } = await run(device, at("none"), { data, steps: 2, validateCases: 0, validateEvery: 1 });
    expect(best).to.equal(null);
    expect(readdirSync(at("none")).sort()).to.deep.equal([
      "checkpoints",
      "config.json",
      "metrics.jsonl",
      "tensorboard",
    ]);
    expect(readdirSync(at("none/checkpoints"))).not.to.include("best.safetensors");
    expect((await figuresOf(at("none"))).map(({ step }) => step)).to.deep.equal([1, 2]);
  });

  it("knows pictures that the network gives back exactly", async () => {
    const data = at("flat");
    await putPairs(data, 3);
    const black = noise(0);
    black.data.fill(0);
    for (const name of ["input", "ref"]) await put(black, data, "train", name, "002.png");
    // Grey would do as well, but black needs no luck: negative values are cut off.
    const { checkpoint, best } = await run(device, at("exact"), { data, steps: 2, lr: 0 });
    expect(best?.psnr).to.be.above(100);
    expect((await readCheckpoint(checkpoint)).state.step).to.equal(2);
  });
});
