/** `npm run bench:peers` itself, without peers. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { PeersReport } from "../../../bench/peers/report.js";
import { node } from "../../cli/masa.js";

const MAIN = fileURLToPath(new URL("../../../bench/peers/main.js", import.meta.url));

describe("npm run bench:peers", () => {
  it("measures ours alone, and writes JSON and a document", async () => {
    const folder = await mkdtemp(join(tmpdir(), "masa-peers-"));
    try {
      const [json, page] = [join(folder, "peers.json"), join(folder, "peers.md")];
      const args = [
        "--peers",
        "none",
        "--filter",
        "instance_norm",
        "--rounds",
        "1",
        "--json",
        json,
        "--markdown",
        page,
      ];
      const { code, stdout, stderr } = await node([MAIN, ...args]);
      expect(code, stderr).to.equal(0);
      expect(stdout)
        .to.match(/^`npm run bench:peers -- --peers none .*Node v\d/m)
        .and.contain("no peers.");
      expect(stdout).to.match(/^instance_norm forward \[1,64,160,160\] +[\d.]+ · [\d.]+ · [\d.]+ /m);
      const report = JSON.parse(await readFile(json, "utf8")) as PeersReport;
      expect(report).to.include({ format: "masa-webgpu peers 1", rounds: 1 });
      expect(report.ceiling).to.be.above(1e6);
      expect(report.rows[0]?.outcomes.ours?.wall).to.have.length(1);
      expect(await readFile(page, "utf8")).to.contain("| instance_norm forward [1,64,160,160] |");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("explains itself", async () => {
    const { code, stdout } = await node([MAIN, "--help"]);
    expect(code).to.equal(0);
    for (const words of ["--peers", "--markdown", "ort-node", "float64"]) expect(stdout).to.contain(words);
  });

  for (const [args, message] of [
    [["--peers", "torch"], /There are jax-js, tfjs, ort-web, ort-node/],
    [["--filter", "nothing"], /no row's name contains 'nothing'; there are:\nconv2d forward/],
    [["--rounds", "0"], /Give a whole number, 1 or more/],
  ] as const)
    it(`refuses ${args.join(" ")}`, async () => {
      const { code, stdout, stderr } = await node([MAIN, ...args]);
      expect(stderr)
        .to.match(/^bench:peers: /)
        .and.match(message);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    });
});
