import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ArgumentError } from "../../src/errors.js";
import { l1Loss } from "../../src/graph/ops/l1_loss.js";
import { mseLoss } from "../../src/graph/ops/mse_loss.js";
import { scale, sub } from "../../src/graph/ops/pointwise.js";
import { type TrainChanges, trainConfig } from "../../src/train/config.js";
import { namedObjective, type Objective } from "../../src/train/custom_objective.js";
import { Networks } from "../../src/train/networks.js";
import { type StepEvent, type TrainOptions, train } from "../../src/train/run.js";
import { Trainer } from "../../src/train/trainer.js";
import { putPairs } from "../data/files.js";
import { testDevice } from "../device.js";
import { rejection } from "../rejection.js";
import { digestOf } from "./runs.js";

const SMALL: TrainChanges = {
  ...{ channels: 4, encoderBlocks: [1, 0, 1], decoderBlocks: [0, 1, 0, 0, 0, 0], size: 32, batch: 2, workers: 1 },
  ...{ steps: 4, checkpointEvery: 2, validateEvery: 100 },
};

const squared: Objective = ({ sr, hr }) => ({ squares: mseLoss(sr, hr), absolute: scale(l1Loss(sr, hr), 0.5) });

describe("custom objective", () => {
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "masa-objective-"));
    await putPairs(join(folder, "data"), 4);
  });
  after(() => rmSync(folder, { recursive: true }));

  const run = async (out: string, options: Partial<TrainOptions> = {}) => {
    const events: StepEvent[] = [];
    const config = { data: join(folder, "data"), ...SMALL, ...options.config };
    const onStep = (event: StepEvent) => events.push(event);
    const options_ = { objective: squared, ...options, config, out: join(folder, out), onStep };
    return { events, summary: await train(await testDevice(), options_) };
  };

  it("trains a run with its losses by name, and resumes it with the same bits", async () => {
    const whole = await run("whole");
    const { losses } = whole.events[0]!;
    expect(Object.keys(losses)).to.deep.equal(["squares", "absolute", "total"]);
    expect(losses.total).to.be.closeTo(losses.squares! + losses.absolute!, 1e-6);
    await run("parts", { config: { steps: 2 } });
    const fault = await rejection(run("parts", { resume: true, objective: undefined }));
    expect(fault.message).to.contain("minimises squares, absolute, total, not rec, total");
    const resumed = await run("parts", { resume: true });
    expect(resumed.events.map(({ step }) => step)).to.deep.equal([3, 4]);
    expect(await digestOf(resumed.summary.checkpoint)).to.equal(await digestOf(whole.summary.checkpoint));
  });

  it("has the bits of the configured loss where it records the same", async () => {
    const rec: Objective = ({ sr, hr }) => ({ total: l1Loss(sr, hr) });
    const [one, other] = [await run("l1", { objective: rec }), await run("configured", { objective: undefined })];
    expect(one.events.map(({ losses }) => losses.total)).to.deep.equal(other.events.map(({ losses }) => losses.total));
  });

  it("averages its losses over micro-batches", async () => {
    const { events } = await run("micro", { config: { microBatch: 1 } });
    expect(Object.keys(events[0]!.losses)).to.deep.equal(["squares", "absolute", "total"]);
    expect(events[3]!.losses.total).to.be.below(1);
  });

  it("refuses losses that are no scalars, none at all, and others beside it", async () => {
    const shapes = { lr: [2, 3, 8, 8], hr: [2, 3, 32, 32], ref: [2, 3, 32, 32] };
    const names = (objective: Objective) => namedObjective(objective, shapes).names;
    expect(names(squared)).to.deep.equal(["squares", "absolute", "total"]);
    expect(() => names(() => ({}))).to.throw(ArgumentError, "the objective returns no losses");
    expect(() => names(({ sr, hr }) => ({ d: sub(sr, hr) }))).to.throw(ArgumentError, "d has shape [2,3,32,32]");
    const config = trainConfig({ data: "none", ...SMALL, adv: 0.1 });
    const plan = async () =>
      Trainer.plan(
        await testDevice(),
        new Networks(config),
        config,
        { ...shapes, refDown: shapes.lr },
        { objective: squared },
      );
    expect((await rejection(plan())).message).to.contain("an objective is given, and per is 0, adv is 0.1");
  });
});
