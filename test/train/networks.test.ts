import { expect } from "chai";
import { bicubicResize } from "../../src/graph/ops/bicubic.js";
import { compile, dataOf } from "../../src/graph/plan/plan.js";
import type { FirstWeights } from "../../src/masa/first_weights.js";
import { trainConfig } from "../../src/train/config.js";
import { Networks } from "../../src/train/networks.js";
import { testDevice } from "../device.js";
import { Random } from "../graph/ops/check.js";
import { SMALLEST } from "./runs.js";

async function begun(firstWeights: FirstWeights): Promise<Networks> {
  const networks = new Networks(trainConfig({ data: "none", ...SMALLEST, firstWeights }));
  await networks.allocate(await testDevice(), 1);
  return networks;
}

describe("networks of a training", () => {
  it("begin with He's weights as twice the official ones, and 0 in the last layer", async () => {
    const [official, he] = [await begun("official"), await begun("he")];
    const values = ({ masa: { parameters } }: Networks, name: string) => parameters.read(parameters.get(name));
    for (const { name } of official.masa.parameters.all) {
      const factor = name === "decoder.conv_out.weight" ? 0 : 2;
      const expected = (await values(official, name)).map((value) => factor * value + 0);
      expect(
        (await values(he, name)).map((value) => value + 0),
        name,
      ).to.deep.equal(expected);
    }
    for (const networks of [official, he]) networks.dispose();
  });

  it("begin with He's weights as the bicubic enlargement", async () => {
    const networks = await begun("he");
    const shapes = { lr: [1, 3, 8, 8], ref: [1, 3, 32, 32], refDown: [1, 3, 8, 8] };
    const plan = await compile(await testDevice(), shapes, (inputs) => ({
      sr: networks.masa.forward(inputs).sr,
      enlarged: bicubicResize(inputs.lr, [32, 32]),
    }));
    const random = new Random("first weights");
    const image = (shape: readonly number[]) => Float32Array.from(random.array(shape).data);
    const { lr, ref, refDown } = shapes;
    const { sr, enlarged } = dataOf(await plan.run({ lr: image(lr), ref: image(ref), refDown: image(refDown) }));
    plan.dispose();
    networks.dispose();
    expect([...sr]).to.deep.equal([...enlarged]);
  });
});
