/** What a training run says where it cannot begin, go on or make steps, and what it leaves behind then. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { appendFile, mkdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { DataError } from "../../src/data/errors.js";
import { CheckpointError, ImageError, OutputError } from "../../src/files/errors.js";
import { FileTensor } from "../../src/formats/tensor.js";
import type { Device } from "../../src/gpu/device.js";
import { DeviceLostError } from "../../src/gpu/errors.js";
import { readCheckpoint, writeCheckpoint } from "../../src/models/checkpoint.js";
import { nodePlatform, openDevice } from "../../src/platform/node.js";
import { ConfigError, type TrainChanges } from "../../src/train/config.js";
import type { StepEvent } from "../../src/train/run.js";
import { TrainingError } from "../../src/train/trainer.js";
import { noise, put, putPairs } from "../data/files.js";
import { testDevice } from "../device.js";
import { failure } from "../files/golden.js";
import { digestOf, figuresOf, type RunOptions, run, SMALLEST, temporaryFiles } from "./runs.js";

const STEPS = 4;

describe("training run in trouble", () => {
  let device: Device;
  let folder: string;
  let data: string;
  const at = (...names: readonly string[]) => join(folder, ...names);
  /** Every file of a run with its content. */
  const contents = (out: string) =>
    Object.fromEntries(
      readdirSync(out, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), "base64")]),
    );
  /** A copy of the run that has ended. */
  const copy = (name: string) => {
    cpSync(at("run"), at(name), { recursive: true });
    return at(name);
  };
  /** Memory that an error leaves behind would be missed by later runs. */
  const fails = async (
    Failure: Parameters<typeof failure>[1],
    message: RegExp,
    out: string,
    changes: TrainChanges,
    options: RunOptions = {},
  ): Promise<Error> => {
    const { bytes } = device.memory();
    const error = await failure(() => run(device, out, changes, options), Failure, message);
    expect(device.memory().bytes).to.equal(bytes);
    if (existsSync(out)) expect(temporaryFiles(out)).to.deep.equal([]);
    return error;
  };

  before(async () => {
    device = await testDevice();
    folder = mkdtempSync(join(tmpdir(), "masa-run-"));
    data = at("data");
    await putPairs(data, 5);
    await run(device, at("run"), { data, steps: STEPS, checkpointEvery: 1 });
  });
  after(() => rmSync(folder, { recursive: true }));

  describe("when it is resumed", () => {
    const resume = { resume: true };

    it("refuses to compute anything else, naming what would change", async () => {
      const out = copy("fixed");
      const before = contents(out);
      await fails(
        ConfigError,
        /^the run was begun with batch 2, lr 0\.01, rec 1\. Omit batch, lr, rec to continue it/,
        ...[out, { batch: 1, lr: 1e-3, rec: 0.5, steps: 9 }, resume],
      );
      await fails(
        ConfigError,
        /^the run was begun with encoderBlocks \[0,0,0\]/,
        out,
        { encoderBlocks: [1, 0, 0] },
        resume,
      );
      await fails(ConfigError, /stepz is unknown; did you mean steps/, out, { stepz: 9 } as TrainChanges, resume);
      expect(contents(out)).to.deep.equal(before);
    });

    it("takes the same values again and the preset", async () => {
      const again: TrainChanges = { ...SMALLEST, preset: "tiny", data, steps: STEPS };
      const { step, stopped } = await run(device, copy("same"), again, resume);
      expect({ step, stopped }).to.deep.equal({ step: STEPS, stopped: false });
    });

    it("refuses other pairs, but takes the same from elsewhere", async () => {
      const out = copy("pairs");
      await putPairs(at("fewer"), 4);
      await fails(
        CheckpointError,
        /fewer has not the pairs that the run in .* began with/,
        out,
        { data: at("fewer") },
        resume,
      );
      await putPairs(at("moved"), 5);
      const whole = await run(device, at("longer"), { data, steps: STEPS + 2, checkpointEvery: 1 });
      const { checkpoint } = await run(device, out, { data: at("moved"), steps: STEPS + 2 }, resume);
      expect(await digestOf(checkpoint)).to.equal(await digestOf(whole.checkpoint));
    });

    it("refuses the checkpoint of another network and changes nothing", async () => {
      const out = copy("other");
      const path = join(out, "checkpoints/step-00000004.safetensors");
      const { tensors, state } = await readCheckpoint(path);
      const [first, ...rest] = [...tensors];
      const wider = FileTensor.of("F32", [1, ...first![1].shape], first![1].toFloat32());
      await writeCheckpoint(path, { state, tensors: new Map([[first![0], wider], ["more", wider], ...rest.slice(1)]) });
      const before = contents(out);
      const message =
        /step-00000004\.safetensors is of another network: .* is missing; more has no place\. Resume with/;
      const error = await fails(CheckpointError, message, out, { steps: 9 }, resume);
      expect(error.message).to.include(`${first![0]} is [1,`);
      expect(contents(out)).to.deep.equal(before);

      const { updates: _updates, ...incomplete } = state;
      await writeCheckpoint(path, { tensors, state: incomplete });
      await fails(CheckpointError, /step-00000004\.safetensors has no updates/, out, {}, resume);
    });

    it("leaves damaged checkpoints aside and says so", async () => {
      const out = copy("damaged");
      const newest = join(out, "checkpoints/step-00000004.safetensors");
      // The best may be the same file under a second name.
      const bytes = await readFile(newest);
      await rm(newest);
      writeFileSync(newest, bytes.subarray(0, -5));
      const messages: string[] = [];
      const onMessage = (text: string) => void messages.push(text);
      const { checkpoint } = await run(device, out, {}, { resume: true, onMessage });
      expect(messages[0]).to.match(/^.*step-00000004\.safetensors is left aside: .* no valid safetensors/);
      expect(messages.at(-1)).to.match(/^goes on from step 3/);
      expect(await digestOf(checkpoint)).to.equal(await digestOf(at("run/checkpoints/step-00000004.safetensors")));
      expect(await figuresOf(out)).to.deep.equal(await figuresOf(at("run")));
    });

    it("begins anew where nothing is, or was killed before its first checkpoint", async () => {
      const killed = at("killed");
      await mkdir(killed);
      await appendFile(join(killed, "metrics.jsonl"), '{"step":1,"total":2}\n{"step":2,"to');
      await fails(OutputError, /killed holds a training run already\. Go on with it by --resume/, killed, { data });
      await appendFile(join(killed, `.config.json.${2 ** 22 + 1}-0.tmp`), "{");
      for (const out of [at("nothing"), killed]) {
        const { checkpoint } = await run(device, out, { ...SMALLEST, data, steps: STEPS, checkpointEvery: 1 }, resume);
        expect(await digestOf(checkpoint)).to.equal(await digestOf(at("run/checkpoints/step-00000004.safetensors")));
        expect(await figuresOf(out)).to.deep.equal(await figuresOf(at("run")));
        expect(temporaryFiles(out)).to.deep.equal([]);
      }
    });
  });

  it("does not begin where another run is", async () => {
    const out = copy("twice");
    const before = contents(out);
    await fails(OutputError, /twice holds a training run already\. Go on with it by --resume, or give/, out, { data });
    expect(contents(out)).to.deep.equal(before);
  });

  it("says what is wrong with data and weights before it makes the folder", async () => {
    const out = at("unmade");
    await fails(DataError, /nowhere does not exist/, out, { data: at("nowhere") });
    await fails(DataError, /5 pairs do not fill a batch of 6/, out, { data, batch: 6 });
    await fails(CheckpointError, /VGG19's weights: .*no\.pth does not exist/, out, { data, per: 1, vgg: at("no.pth") });
    await fails(CheckpointError, /no\.pth does not exist/, out, { data, init: at("no.pth") });
    await fails(ConfigError, /per is 1, which wants vgg/, out, { data, per: 1 });
    const init = at("run/checkpoints/best.safetensors");
    await fails(CheckpointError, /best\.safetensors/, out, { data, init, channels: 6 });
    expect(existsSync(out)).to.equal(false);
    writeFileSync(at("file"), "");
    await fails(OutputError, /file is no folder/, at("file/run"), { data });
  });

  it("ends at an image that has become unreadable, and goes on when it is back", async () => {
    await putPairs(at("shrinking"), 4);
    const [out, input] = [at("image"), at("shrinking/train/input")];
    const changes: TrainChanges = { data: at("shrinking"), steps: 12, checkpointEvery: 1 };
    const onStep = ({ step }: StepEvent) => {
      if (step === 2) rmSync(join(input, "000.png"));
    };
    await fails(ImageError, /000\.png does not exist/, out, changes, { onStep });
    await put(noise(0), input, "000.png");
    const { checkpoint } = await run(device, out, {}, { resume: true });
    const whole = await run(device, at("image-whole"), changes);
    expect(await digestOf(checkpoint)).to.equal(await digestOf(whole.checkpoint));
  });

  it("skips steps without finite gradients, counts them, and gives up after a few in a row", async () => {
    const out = at("diverged");
    const events: StepEvent[] = [];
    const changes: TrainChanges = { data, lr: 1e30, maxSkips: 3, steps: 20, checkpointEvery: 1, average: 0.5 };
    const named = "(the gradient of [\\w./]+|the loss (rec|total))";
    const wanted = new RegExp(
      `^3 steps in a row gave no finite gradient: ${named} is infinite or NaN\\. Begin a new run with --init`,
    );
    const options = { onStep: (event: StepEvent) => void events.push(event) };
    await fails(TrainingError, wanted, out, changes, options);

    const first = events.findIndex(({ skipped }) => skipped !== undefined);
    expect(first).to.be.within(1, 4);
    expect(events.slice(first).map(({ skipped }) => new RegExp(named).test(skipped ?? ""))).to.deep.equal([
      true,
      true,
      true,
    ]);
    // The steps that were skipped have changed nothing but the count.
    const last = `step-0000000${first + 2}.safetensors`;
    const { tensors, state } = await readCheckpoint(join(out, "checkpoints", last));
    for (const [name, tensor] of tensors) expect(tensor.toFloat32().every(Number.isFinite), name).to.equal(true);
    expect(state).to.deep.include({ skipped: 2, skippedInRow: 2, updates: { generator: first, discriminator: 0 } });
    expect(await digestOf(join(out, "checkpoints", last))).to.equal(
      await digestOf(join(out, "checkpoints", `step-0000000${first}.safetensors`)),
    );
    const figures = (await figuresOf(out)).filter(({ skipped }) => skipped !== undefined);
    expect(figures.map(({ step }) => step)).to.deep.equal([first + 1, first + 2, first + 3]);

    // It goes on counting where it stopped.
    await fails(TrainingError, wanted, out, {}, { resume: true });
    await fails(TrainingError, /^5 steps in a row/, out, { maxSkips: 5 }, { resume: true });
  });

  it("ends where the GPU is lost, and goes on with another to the same bits", async () => {
    const out = at("lost");
    const lost = await openDevice({}, { ...nodePlatform, warn: () => {} });
    const onStep = ({ step }: StepEvent) => void (step === 3 && lost.gpu.destroy());
    const changes: TrainChanges = { data, steps: STEPS, checkpointEvery: 1 };
    await failure(() => run(lost, out, changes, { onStep }), DeviceLostError, /the GPU device was lost/);
    lost.dispose();
    const { checkpoint } = await run(device, out, {}, { resume: true });
    expect(await digestOf(checkpoint)).to.equal(await digestOf(at("run/checkpoints/step-00000004.safetensors")));
    expect(temporaryFiles(out)).to.deep.equal([]);
  });

  it("ends where the disk refuses a checkpoint, and goes on from the one before", async () => {
    const out = at("refused");
    const checkpoints = join(out, "checkpoints");
    const onStep = ({ step }: StepEvent) => {
      if (step !== 3) return;
      rmSync(at("aside"), { recursive: true, force: true });
      cpSync(checkpoints, at("aside"), { recursive: true });
      rmSync(checkpoints, { recursive: true });
      writeFileSync(checkpoints, "");
    };
    const changes: TrainChanges = { data, steps: STEPS, checkpointEvery: 1 };
    await fails(OutputError, /cannot write .*step-00000003\.safetensors: .*checkpoints is no folder/, out, changes, {
      onStep,
    });
    await rm(checkpoints);
    await rename(at("aside"), checkpoints);
    const { checkpoint } = await run(device, out, {}, { resume: true });
    expect(await digestOf(checkpoint)).to.equal(await digestOf(at("run/checkpoints/step-00000004.safetensors")));
    expect(await figuresOf(out)).to.deep.equal(await figuresOf(at("run")));
  });
});
