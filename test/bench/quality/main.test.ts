/** `npm run bench:quality` itself, without peers. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { QualityReport } from "../../../bench/quality/report.js";
import { readImage } from "../../../src/files/images.js";
import { untrainedMasa } from "../../../src/models/load.js";
import { saveParameters } from "../../../src/models/save.js";
import { node } from "../../cli/masa.js";
import { testDevice } from "../../device.js";
import { inFolder } from "../../files/golden.js";
import { NETWORK, putLayout } from "../../train/test_sets.js";

const MAIN = fileURLToPath(new URL("../../../bench/quality/main.js", import.meta.url));

describe("npm run bench:quality", () => {
  it("measures ours alone, and writes JSON, a document and crops", () =>
    inFolder(async (folder) => {
      await putLayout("CUFED5", join(folder, "set"));
      const network = await untrainedMasa(await testDevice(), NETWORK, 1);
      await saveParameters(network.parameters, join(folder, "w.safetensors"));
      network.parameters.dispose();
      const files = "--json q.json --markdown q.md --crops q.png";
      const args = `--peers none --data set --weights w.safetensors --limit 1 ${files}`.split(" ");
      const { code, stdout, stderr } = await node([MAIN, ...args], {}, () => {}, folder);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/^`npm run bench:quality -- --peers none .*means over 1 images, PSNR in dB/m);
      expect(stdout)
        .to.match(/^ours, level 1 +[\d.]+ M /m)
        .and.match(/^ours, level 2 /m);
      const report = JSON.parse(await readFile(join(folder, "q.json"), "utf8")) as QualityReport;
      expect(report).to.include({ format: "masa-webgpu quality 1", weights: "w.safetensors" });
      expect(report.contestants.map(({ name }) => name)).to.deep.equal(["ours, level 1", "ours, level 2"]);
      expect(report.contestants[0]).not.to.have.property("images");
      expect([report.margins, report.packages]).to.deep.equal([[], {}]);
      expect(await readFile(join(folder, "q.md"), "utf8")).to.contain("| ours, level 1 | ");
      expect((await readImage(join(folder, "q.png"))).width).to.be.above(4 * 45);
    }));

  it("explains itself", async () => {
    const { code, stdout } = await node([MAIN, "--help"]);
    expect(code).to.equal(0);
    for (const words of ["--peers", "--crops", "UpscalerJS", "smallest, the median and the largest"])
      expect(stdout.replace(/\s+/g, " ")).to.contain(words);
  });

  for (const [args, message] of [
    [["--peers", "torch"], /Choose among slim, medium, thick/],
    [["--levels", "0"], /Give a whole number, 1 or more/],
    [["--show", "a.png"], /--show a\.png is none of the images; there are 008_0\.png, 011_0\.png/],
  ] as const)
    it(`refuses ${args.join(" ")}`, async () => {
      const { code, stdout, stderr } = await node([MAIN, ...args]);
      expect(stderr)
        .to.match(/^bench:quality: /)
        .and.match(message);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    });
});
