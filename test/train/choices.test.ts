/** The variants of kernels that a training run takes: they fix its bits, so it keeps them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Device } from "../../src/gpu/device.js";
import { readCheckpoint, writeCheckpoint } from "../../src/models/checkpoint.js";
import { putPairs } from "../data/files.js";
import { testDevice } from "../device.js";
import { digestOf, run } from "./runs.js";

describe("variants of a training run", () => {
  let device: Device;
  let folder: string;
  const at = (...names: readonly string[]) => join(folder, ...names);
  const changes = () => ({ data: at("data"), steps: 4, validateCases: 0 });

  before(async () => {
    device = await testDevice();
    folder = mkdtempSync(join(tmpdir(), "masa-choices-"));
    await putPairs(at("data"), 3);
  });
  afterEach(() => device.choices.clear());
  after(() => rmSync(folder, { recursive: true }));

  const choicesOf = async (checkpoint: string) =>
    (await readCheckpoint(checkpoint)).state.choices as Readonly<Record<string, string>>;

  /** Whether a run of this name is stopped after two steps. */
  const first = (name: string) => run(device, at(name), { ...changes(), steps: 2 });
  const goOn = (name: string, told: string[] = []) =>
    run(device, at(name), { steps: 4 }, { resume: true, onMessage: (text) => told.push(text) });

  it("are recorded, and taken again whatever is found to be faster since", async () => {
    const { checkpoint: plain } = await run(device, at("plain"), changes());
    const defaults = await choicesOf(plain);
    const keys = Object.keys(defaults).filter((key) => key.startsWith("convolve"));
    expect(keys).not.to.deep.equal([]);

    // No layer of this network has more than 16 outputs.
    const tuned = keys.map((key) => [key, "implicit-gemm/256x16"] as const);
    const tune = () => tuned.forEach(([key, variant]) => void device.choices.set(key, variant));
    tune();
    const { checkpoint: whole } = await run(device, at("whole"), changes());
    expect(await choicesOf(whole)).to.deep.equal({ ...defaults, ...Object.fromEntries(tuned) });
    expect(await digestOf(whole), "another order of sums").not.to.equal(await digestOf(plain));

    await first("tuned");
    device.choices.clear();
    const told: string[] = [];
    expect(await digestOf((await goOn("tuned", told)).checkpoint)).to.equal(await digestOf(whole));
    expect(told.join()).not.to.include("bits");

    await first("untuned");
    tune();
    expect(await digestOf((await goOn("untuned")).checkpoint)).to.equal(await digestOf(plain));
  });

  it("are named where this adapter has them not", async () => {
    const { checkpoint } = await first("elsewhere");
    const { tensors, state } = await readCheckpoint(checkpoint);
    const [key] = Object.keys(state.choices as object) as [string];
    const choices = { ...(state.choices as object), [key]: "of another GPU" };
    await writeCheckpoint(checkpoint, { tensors, state: { ...state, choices } });
    const told: string[] = [];
    await goOn("elsewhere", told);
    expect(told.filter((text) => text.includes("bits"))).to.deep.equal([
      `${device.info.name} has not all the run's variants, as of another GPU for ${key}; its bits will differ`,
    ]);
  });

  it("are found by the names that earlier versions recorded", async () => {
    const old: Readonly<Record<string, string>> = {
      ...{
        direct: "plain",
        "subgroup/8": "strips",
        "implicit-gemm/256x16": "tiles 256×16",
        "winograd/4x4": "winograd",
      },
      ...{ subgroup: "strips", "implicit-gemm": "tiles", "subgroup/32x64": "strips", "shared-memory/64x64": "tiles" },
      ...{ "shared-memory": "tiles", thread: "alone", workgroup: "team" },
    };
    const convolution = (key: string) => /^(convolve|transpose) /.test(key);
    // Not the defaults, which an unknown name would select as well.
    const defaults = await choicesOf((await first("renamed defaults")).checkpoint);
    for (const key of Object.keys(defaults)) if (convolution(key)) device.choices.set(key, "implicit-gemm/256x16");
    const { checkpoint: whole } = await run(device, at("renamed whole"), changes());
    const { checkpoint } = await first("renamed");
    device.choices.clear();
    const { tensors, state } = await readCheckpoint(checkpoint);
    const recorded = Object.entries(state.choices as Readonly<Record<string, string>>);
    expect(recorded.map(([, id]) => id)).to.include.members(["implicit-gemm/256x16"]);
    const choices = Object.fromEntries(recorded.map(([key, id]) => [key, old[id] as string]));
    await writeCheckpoint(checkpoint, { tensors, state: { ...state, choices } });
    const told: string[] = [];
    const resumed = await goOn("renamed", told);
    expect(told.join()).not.to.include("bits");
    expect(await digestOf(resumed.checkpoint)).to.equal(await digestOf(whole));
    expect(await choicesOf(resumed.checkpoint), "the new names").to.deep.equal(Object.fromEntries(recorded));
  });

  it("are the defaults for a checkpoint that names none", async () => {
    const { checkpoint } = await first("early");
    const { tensors, state } = await readCheckpoint(checkpoint);
    const { choices: _, ...rest } = state;
    await writeCheckpoint(checkpoint, { tensors, state: rest });
    const told: string[] = [];
    expect((await goOn("early", told)).step).to.equal(4);
    expect(told.join()).not.to.include("bits");
  });
});
