/** The tuner on operations made up for it, with a clock that counts dispatches. */
import { expect } from "chai";
import type { Device } from "../../../src/gpu/device.js";
import { type PlanChoice, plan } from "../../../src/graph/plan/plan.js";
import { record } from "../../../src/graph/trace/graph.js";
import { Parameters, zeros } from "../../../src/graph/trace/parameters.js";
import type { Operation, Tensor, Tensors } from "../../../src/graph/trace/tensor.js";
import { type TuneOptions, type TuneProgress, tune } from "../../../src/graph/tune/tune.js";
import type { Operand, Recorder } from "../../../src/kernels/kernel.js";
import { pointwise } from "../../../src/kernels/pointwise.js";
import { testDevice } from "../../device.js";

/** y = factor · x, so many times over. */
function times(recorder: Recorder, x: Operand, y: Operand, count: number, factor = 2): void {
  for (let i = 0; i < count; i++) pointwise(recorder, { a: x }, { y }, { op: "SCALE", alpha: factor });
}

type Variant = (recorder: Recorder, x: Operand, y: Operand) => void;

const VARIANTS: Readonly<Record<"usual" | "slow" | "fast" | "wrong" | "broken", Variant>> = {
  usual: (recorder, x, y) => times(recorder, x, y, 10),
  slow: (recorder, x, y) => times(recorder, x, y, 13),
  fast: (recorder, x, y) => times(recorder, x, y, 3),
  wrong: (recorder, x, y) => times(recorder, x, y, 1, 2.01),
  broken: (recorder, x, y) =>
    recorder.dispatch({ shader: "no such shader", bindings: { x, y }, workgroups: [1, 1, 1] }),
};

function operation(
  name: string,
  variants: Readonly<Record<string, Variant>>,
): Operation<Tensors<"x", "index">, Tensors<"y">> {
  return {
    name,
    optional: ["index"],
    outputs: ({ x: { shape } }) => ({ y: { shape } }),
    kernel: (recorder, { x, index }, { y }) => {
      if (index) expect(index.dtype).to.equal("i32");
      const names = Object.keys(variants) as [string, ...string[]];
      variants[recorder.choose(`${name} [${x.shape}]`, names)]?.(recorder, x, y);
    },
  };
}

const chooses = operation("chooses", VARIANTS);

describe("tune", () => {
  let device: Device;
  let dispatches = 0;
  const clock = () => dispatches;
  before(async () => {
    device = await testDevice();
    const { encode } = device;
    device.encode = (encoder, commands, timestamps) => {
      dispatches += commands.length;
      encode.call(device, encoder, commands, timestamps);
    };
  });
  after(() => {
    Reflect.deleteProperty(device, "encode");
  });
  afterEach(() => device.choices.clear());

  const asked = (build: (x: Tensor) => Tensor, side = 8): readonly PlanChoice[] =>
    plan(device, { x: [side, side] }, ({ x }) => ({ y: build(x) })).choices;
  const apply = (x: Tensor, subject = chooses) => record(subject, { x }).y;
  const run = (choices: readonly PlanChoice[], options: TuneOptions = {}) =>
    tune(device, choices, { clock, ...options });

  it("chooses the fastest variant that works and computes the same", async () => {
    const before = device.memory();
    const [tuned, ...more] = await run(asked((x) => apply(apply(x))));
    expect(more).to.deep.equal([]);
    expect(tuned).to.include({ key: "chooses [8,8]", chosen: "fast", count: 2 });
    expect([...(tuned?.times ?? [])]).to.deep.equal([
      ["usual", 10],
      ["slow", 13],
      ["fast", 3],
    ]);
    expect(tuned?.failed.get("wrong")).to.match(
      /^wrong for chooses \[8,8\]: it computes something else than the default\./,
    );
    expect(tuned?.failed.get("broken")).to.match(/no such shader/);
    expect([...device.choices], "the caller decides").to.deep.equal([]);
    expect(device.memory()).to.include({ bytes: before.bytes, buffers: before.buffers });
  });

  it("stays with the default where nothing is faster, or works", async () => {
    const { usual, slow, broken } = VARIANTS;
    const choices = asked((x) => apply(x, operation("slow", { usual, slow })));
    expect((await run(choices)).map(({ chosen }) => chosen)).to.deep.equal(["usual"]);
    const failing = asked((x) => apply(x, operation("fails", { broken, usual })));
    expect(await run(failing)).to.deep.equal([]);
  });

  it("begins with what has the most work, and leaves alone what has next to none", async () => {
    const large = operation("large", VARIANTS);
    const small = operation("small", VARIANTS);
    const build = ({ x, tiny }: Readonly<Record<"x" | "tiny", Tensor>>) => ({
      ...{ tiny: apply(tiny, small), a: apply(x) },
      b: apply(apply(apply(x, large), large), large),
    });
    const { choices } = plan(device, { x: [64, 64], tiny: [1] }, build);
    const seen: TuneProgress[] = [];
    const tuned = await run(choices, { onProgress: (progress) => seen.push(progress) });
    expect(tuned.map(({ key, chosen, count }) => [key, chosen, count])).to.deep.equal([
      ["large [64,64]", "fast", 3],
      ["chooses [64,64]", "fast", 1],
      ["small [1]", "usual", 1],
    ]);
    expect(tuned[2]?.times.size).to.equal(0);
    expect(seen).to.deep.equal([0, 1, 2].map((done) => ({ done, total: 2 })));
  });

  it("does not make choices again", async () => {
    device.choices.set("chooses [8,8]", "slow");
    expect(await run(asked(apply))).to.deep.equal([]);
  });

  it("ends with its budget or its signal, and gives what it has", async () => {
    const choices = [...asked(apply, 64), ...asked(apply, 63)];
    expect(await run(choices, { budget: 0 })).to.deep.equal([]);
    expect(await run(choices, { signal: AbortSignal.abort() })).to.deep.equal([]);
    const controller = new AbortController();
    const onProgress = ({ done }: TuneProgress) => done === 1 && controller.abort();
    const tuned = await run(choices, {
      signal: controller.signal,
      onProgress: (progress) => void onProgress(progress),
    });
    expect(tuned.map(({ key }) => key)).to.deep.equal(["chooses [64,64]"]);
  });

  it("puts stand-ins in the place of indices, and of variables, which it leaves as they are", async () => {
    const parameters = new Parameters();
    const state = parameters.declare("state", [8, 8], zeros);
    const updates: Operation<Tensors<"x" | "index" | "variable">, Tensors<"y">> = {
      ...chooses,
      name: "updates",
      optional: [],
      updates: ["variable"],
      kernel: (recorder, { x, index, variable }, { y }, attributes) => {
        pointwise(recorder, { a: x, b: x }, { y: variable }, { op: "ADD", alpha: 0 });
        chooses.kernel?.(recorder, { x, index }, { y }, attributes);
      },
    };
    const inputs = { x: [8, 8], index: { shape: [3], dtype: "i32" as const } };
    // Variables that have no memory: nothing may touch them.
    const { choices } = plan(device, inputs, ({ x, index }) => record(updates, { x, index, variable: state }));
    const [tuned] = await run(choices);
    expect(tuned).to.include({ chosen: "fast", count: 1 });
    expect([...(tuned?.times.values() ?? [])]).to.deep.equal([11, 14, 4]);
  });

  it("takes times by the GPU or the wall clock where it is given none", async () => {
    const [tuned] = await tune(device, asked(apply, 256));
    for (const time of tuned?.times.values() ?? []) expect(time).to.be.within(1e-4, 60_000);
    expect(tuned?.times.size).to.equal(3);
  });
});
