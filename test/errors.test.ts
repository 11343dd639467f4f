import { spawnSync } from "node:child_process";
import { expect } from "chai";
import * as masa from "../src/index.js";

describe("errors", () => {
  it("are all MasaErrors, with problem and advice in the message", () => {
    const classes = Object.entries(masa).filter(([name]) => name.endsWith("Error"));
    expect(classes.length).to.be.above(10);
    for (const [name, Class] of classes) {
      const { prototype } = Class as typeof masa.MasaError;
      if (name !== "MasaError") expect(prototype, name).to.be.instanceOf(masa.MasaError);
    }
    const error = new masa.ArgumentError("channels is 0", "Give a whole number of at least 1");
    expect(error).to.include({ name: "ArgumentError", problem: "channels is 0" });
    expect(error.message).to.equal("channels is 0. Give a whole number of at least 1");
  });

  it("word remedies for the API, or for the command line once `masa` has asked for it", () => {
    const script = `
      import { advice, adviseForCommandLine } from ${JSON.stringify(new URL("../src/errors.js", import.meta.url).href)};
      console.log(advice("storage", "--half"));
      adviseForCommandLine();
      console.log(advice("storage", "--half"));`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(stdout).to.equal("storage\n--half\n");
  });
});
