/** `npm run bench` as a process, on one tiny case. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Report } from "../../bench/report.js";
import { node } from "../cli/masa.js";
import { inFolder } from "../files/golden.js";

const MAIN = fileURLToPath(new URL("../../bench/main.js", import.meta.url));
const SHADERS = fileURLToPath(new URL("../../../shaders/", import.meta.url));
const bench = (...args: readonly string[]) => node([MAIN, ...args]);
const TINY = ["--filter", "conv2d forward 8-8 [", "--shapes", "1,8,8,8"];

describe("npm run bench", () => {
  it("measures a case and writes table, JSON and page; and compares with what it wrote", () =>
    inFolder(async (folder) => {
      const [json, page] = [join(folder, "now.json"), join(folder, "now.html")];
      const first = await bench(...TINY, "--rounds", "1", "--json", json, "--report", page);
      expect(first.code, first.stderr).to.equal(0);
      expect(first.stdout).to.match(/roofline [\d.]+ GFLOP\/s, [\d.]+ GB\/s\n/);
      expect(first.stdout).to.match(/^case +min ms +median/m);
      expect(first.stdout).to.match(/^conv2d forward 8-8 \[1,8,8,8\] +[\d.]+ .* conv2d$/m);

      const report = JSON.parse(await readFile(json, "utf8")) as Report;
      expect(report).to.include({ format: "masa-webgpu bench 1", rounds: 1, node: process.version });
      expect(report.adapter).not.to.equal("");
      expect(report.roofline?.flopsPerSecond).to.be.above(1e6);
      expect(report.roofline?.bytesPerSecond).to.be.above(1e6);
      expect(report.results).to.have.length(4);
      for (const result of report.results) {
        expect(result.failure, result.name).to.equal(undefined);
        expect(result.error, result.name).to.be.within(0, 1);
        expect(result.wall[0], result.name).to.be.above(0);
        expect(result.cpu, result.name).to.have.length(1);
        expect(result.memory, result.name).to.be.above(0);
      }
      expect(report.results[3]).to.include({ name: "conv2d forward 8-8 [1,8,8,8]", flops: 2 * 64 * 8 * 72 });
      expect(report.results[3]?.shaders).to.deep.equal({ conv2d: 1 });

      const html = await readFile(page, "utf8");
      expect(html).to.contain("<svg").and.contain("conv2d forward 8-8 [1,8,8,8]</td>").and.not.contain("NaN");

      const second = await bench(...TINY, "--rounds", "1", "--compare", json);
      expect(second.code, second.stderr).to.equal(0);
      expect(second.stdout).to.match(/^case +before +now +ratio +from +to +verdict$/m);
      expect(second.stdout).to.match(/^conv2d forward 8-8 \[1,8,8,8\] +\S+ ms +\S+ ms .*too few rounds$/m);
    }));

  it("puts a shader of one's own beside the built-in one, if it computes the same", () =>
    inFolder(async (folder) => {
      const [mine, wrong] = [join(folder, "conv2d.wgsl"), join(folder, "wrong.wgsl")];
      const text = await readFile(join(SHADERS, "conv2d.wgsl"), "utf8");
      await writeFile(mine, text);
      const equal = await bench(...TINY, "--rounds", "2", "--kernel", mine);
      expect(equal.code, equal.stderr).to.equal(0);
      expect(equal.stdout).to.match(/^conv2d forward 8-8 .* 0\.0 +too few rounds$/m);

      const changed = text.replace("@compute", "const TWO = 2.0;\n@compute").replace(/y\[(\w+)\] = /, "y[$1] = TWO * ");
      expect(changed).to.contain("TWO * ");
      await writeFile(wrong, changed);
      const refused = await bench(...TINY, "--kernel", wrong, "--shader", "conv2d");
      expect(refused.code, refused.stdout).to.equal(1);
      expect(refused.stderr).to.match(/^bench: your shader in conv2d forward .*: wrong results/m);

      const unused = await bench(...TINY, "--kernel", wrong);
      expect(unused.code).to.equal(2);
      expect(unused.stderr).to.match(/no chosen case uses the shader 'wrong' on this adapter; they use conv2d/);
    }));

  it("lists its cases without a GPU", async () => {
    const { code, stdout, stderr } = await bench("--list", "--filter", "matmul");
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    expect(stdout).to.equal("  matmul [1,1024,1024]\n  matmul [1,256,256]\n");
    expect((await bench("--list")).stdout).to.match(/^\* training step official LR \[9,3,40,40\]/m);
  });

  it("explains itself", async () => {
    const { code, stdout } = await bench("--help");
    expect(code).to.equal(0);
    for (const words of ["--kernel", "--compare", "Columns:", "Examples:", "roofline"])
      expect(stdout).to.contain(words);
  });

  for (const [args, code, message] of [
    [["--filter", "nothing"], 2, /no case's name contains 'nothing'; --list prints them/],
    [["--shapes", "1,2,3"], 2, /Give four whole numbers above 0/],
    [["--shapes", "1,2,3,x"], 2, /Give four whole numbers above 0/],
    [["--rounds", "0"], 2, /Give a whole number, 1 or more/],
    [["--shader", "conv2d"], 2, /--shader says which shader --kernel replaces/],
    [["--unknown"], 2, /unknown option '--unknown'/],
    [["extra"], 2, /too many arguments|unexpected argument/],
    [["--kernel", "none.wgsl"], 1, /the shader none\.wgsl cannot be read/],
    [["--compare", "none.json"], 1, /none\.json cannot be read/],
    [["--compare", "package.json"], 1, /package\.json is no report of this bench/],
    [["--json", "none/r.json"], 1, /cannot write none\/r\.json: the folder none does not exist/],
  ] as const)
    it(`refuses ${args.join(" ")}`, async () => {
      const ended = await bench(...args);
      expect(ended.stderr)
        .to.match(/^bench: /)
        .and.match(message);
      expect({ code: ended.code, stdout: ended.stdout }).to.deep.equal({ code, stdout: "" });
    });
});
