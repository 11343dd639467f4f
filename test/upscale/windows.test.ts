import { expect } from "chai";
import { ArgumentError } from "../../src/errors.js";
import { createImage, type Image } from "../../src/image/image.js";
import { untrainedMasa } from "../../src/models/load.js";
import { upscale } from "../../src/upscale/run.js";
import { defaultMemory } from "../../src/upscale/windows.js";
import { testDevice } from "../device.js";
import { rejection } from "../rejection.js";

const NETWORK = { channels: 8, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 2, 1, 1] } as const;

function picture(width: number, height: number): Image {
  const image = createImage(width, height, 3, 8);
  for (let i = 0; i < image.data.length; i++) image.data[i] = 128 + 100 * Math.sin(i * 0.37) * Math.cos(i * 0.011);
  return image;
}

describe("upscaling in windows", () => {
  it("gives the picture and the matches of the whole run, and says that it does", async () => {
    const device = await testDevice();
    const masa = await untrainedMasa(device, NETWORK, 4);
    const request = { lr: picture(61, 43), refs: [picture(150, 210)] };
    const whole = await upscale(device, masa, request, { matches: true });
    const said: number[] = [];
    const windowed = await upscale(device, masa, request, {
      matches: true,
      memory: 3.5e6,
      onMemory: (bytes) => said.push(bytes),
      onWindows: ({ windows }) => said.push(windows),
    });
    masa.parameters.dispose();
    expect(said).to.have.length(2);
    expect(said[0]).to.be.at.most(3.5e6);
    expect(said[1]).to.be.above(12);
    expect(windowed.image.data).to.deep.equal(whole.image.data);
    expect(windowed.matched.data).to.deep.equal(whole.matched.data);
    expect(windowed.match.matches.fineIndex).to.deep.equal(whole.match.matches.fineIndex);
    expect(windowed.similarity).to.equal(whole.similarity);
  });

  it("takes between 1 and 4 GiB by default, and refuses what is not a number of bytes", async () => {
    const device = await testDevice();
    expect(defaultMemory(device)).to.be.within(2 ** 30, 2 ** 32);
    const masa = await untrainedMasa(device, NETWORK, 4);
    const error = await rejection(
      upscale(device, masa, { lr: picture(16, 16), refs: [picture(64, 64)] }, { memory: Number.NaN }),
    );
    masa.parameters.dispose();
    expect(error).to.be.instanceOf(ArgumentError);
    expect(error.message).to.include("memory is NaN");
  });
});
