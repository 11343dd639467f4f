import { expect } from "chai";
import { FileTensor } from "../../src/formats/tensor.js";
import { relu } from "../../src/graph/ops/pointwise.js";
import { compile, dataOf } from "../../src/graph/plan/plan.js";
import { GraphError, type Tensor } from "../../src/graph/trace/tensor.js";
import { Adam } from "../../src/nn/adam.js";
import {
  BatchNorm2d,
  Conv2d,
  ConvTranspose2d,
  InstanceNorm2d,
  Linear,
  ResidualBlock,
  ResidualBlocks,
} from "../../src/nn/layers.js";
import { Module } from "../../src/nn/module.js";
import { testDevice } from "../device.js";

class Net extends Module {
  readonly head = new Conv2d(3, 4);
  readonly norm = new BatchNorm2d(4);
  readonly body = new ResidualBlocks(4, 2);
  readonly ups = [new ConvTranspose2d(4, 4), new ConvTranspose2d(4, 2, { bias: false })];
  /** Used twice, named once. */
  readonly again = this.head;
  readonly plain = new InstanceNorm2d();
  readonly channels = 4;

  forward(x: Tensor): Tensor {
    const features = this.body.forward(relu(this.norm.forward(this.head.forward(x))));
    return this.plain.forward(this.ups.reduce((y, up) => up.forward(y), features));
  }
}

const NAMES = [
  "head.weight",
  "head.bias",
  "norm.weight",
  "norm.bias",
  "norm.running_mean",
  "norm.running_var",
  ...["body.0.conv1", "body.0.conv2", "body.1.conv1", "body.1.conv2"].flatMap((n) => [`${n}.weight`, `${n}.bias`]),
  "ups.0.weight",
  "ups.0.bias",
  "ups.1.weight",
];

describe("Module", () => {
  it("names parameters by the path of properties, each once", () => {
    const { parameters } = new Net();
    expect(parameters.all.map(({ name }) => name)).to.deep.equal(NAMES);
    expect(parameters.trainable.length).to.equal(NAMES.length - 2);
    expect(parameters.get("ups.1.weight").shape).to.deep.equal([4, 2, 3, 3]);
    expect(new Linear(5, 2).parameters.all.map(({ name, shape }) => [name, shape])).to.deep.equal([
      ["weight", [2, 5]],
      ["bias", [2]],
    ]);
  });

  it("runs, and gives its values to another of its kind", async () => {
    const device = await testDevice();
    const [one, other] = [new Net(), new Net()];
    await one.allocate(device, 1);
    await other.allocate(device, 2);
    const plan = await compile(device, { x: [2, 3, 4, 4] }, ({ x }) => ({ a: one.forward(x), b: other.forward(x) }));
    const x = Float32Array.from({ length: 96 }, (_, i) => Math.sin(i));
    const before = dataOf(await plan.run({ x }));
    expect(before.a.length).to.equal(2 * 2 * 16 * 16);
    expect(before.a).not.to.deep.equal(before.b);
    other.loadStateDict(await one.stateDict());
    const after = dataOf(await plan.run({ x }));
    expect(after.a).to.deep.equal(after.b);
    for (const part of [plan, one, other]) part.dispose();
  });

  it("refuses a state dict that does not fit, and changes nothing", async () => {
    const block = new ResidualBlock(2);
    await block.allocate(await testDevice());
    const state = await block.stateDict();
    const wrong = new Map(state);
    wrong.delete("conv1.weight");
    wrong.set("conv1.bias", FileTensor.of("F32", [1], Float32Array.of(7)));
    wrong.set("conv2.bias", FileTensor.of("F32", [2], Float32Array.of(7, 7)));
    wrong.set("conv3.bias", FileTensor.of("F32", [1], Float32Array.of(7)));
    const fault =
      "the state dict does not fit: conv1.weight is missing; conv1.bias is [1], not [2]; conv3.bias is not a parameter";
    expect(() => block.loadStateDict(wrong)).to.throw(GraphError, fault);
    expect((await block.stateDict()).get("conv2.bias")?.toFloat32()).to.deep.equal(new Float32Array(2));
    block.loadStateDict(new Map([...state, ["bn.num_batches_tracked", FileTensor.of("F32", [], Float32Array.of(1))]]));
    block.dispose();
  });

  it("gives a part's parameters under their full names, on the GPU of the whole", async () => {
    const net = new Net();
    // Asked by itself, a part has short names until the whole is named.
    expect(net.head.parameters.all[0]?.name).to.equal("weight");
    await net.allocate(await testDevice());
    const part = net.body.parameters;
    expect(part.all[0]?.name).to.equal("body.0.conv1.weight");
    expect((await part.read(part.get("body.0.conv1.weight"))).length).to.equal(4 * 4 * 9);
    expect(new Adam(part, { lr: 1 }).parameters.length).to.equal(8);
    let refused: unknown;
    await net.body.allocate(await testDevice()).catch((error: unknown) => (refused = error));
    expect(refused).to.be.instanceOf(GraphError);
    net.body.dispose();
    expect((await part.read(part.get("body.0.conv1.weight"))).length).to.equal(4 * 4 * 9);
    net.dispose();
  });
});
