/**
 * MPI jobs on this machine. Not part of `npm test`, because it takes an mpirun and koffi: `npm run test:mpi` installs both.
 * The ranks share the two cores and the software adapter, so networks and images are small.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { readRecords } from "../../src/data/layouts.js";
import type { FileTensor } from "../../src/formats/tensor.js";
import { readCheckpoint } from "../../src/models/checkpoint.js";
import { digestOf } from "../train/runs.js";
import { alone, MAIN, mpirun, OPEN_MPI, rankProcesses, writePairs } from "./launch.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const STEPS = 12;
const BATCH = 12;

describe("an MPI job", function () {
  this.timeout(180_000);
  const folder = mkdtempSync(join(tmpdir(), "masa-mpi-"));
  const path = (...names: string[]) => join(folder, ...names);
  const checkpoint = (run: string, step = STEPS) =>
    path(run, "checkpoints", `step-${String(step).padStart(8, "0")}.safetensors`);
  const training = (run: string, ...more: string[]) => [
    ...[MAIN, "train", "--out", path(run), "--data", path("pairs"), "--preset", "tiny", "--size", "32"],
    ...["--channels", "4"],
    ...["--batch", String(BATCH), "--validate-cases", "0", "--workers", "1", "--checkpoint-every", "4"],
    ...["--steps", String(STEPS), ...more],
  ];
  const succeeds = async (run: Promise<{ code: number | null; stdout: string; stderr: string }>) => {
    const { code, stdout, stderr } = await run;
    expect(code, stderr.slice(-2000)).to.equal(0);
    return stdout;
  };

  before(async () => {
    await writePairs(path("pairs"), 15, 40);
    await writePairs(path("other", "pairs"), 15, 40, 1);
    await writePairs(path("large"), 4, 72);
  });
  after(() => rmSync(folder, { recursive: true }));

  it("passes values, blocks and errors between its ranks, and divides lists", async () => {
    const program = fileURLToPath(new URL("./ranks.js", import.meta.url));
    const stdout = await succeeds(mpirun(3, [program]));
    expect(stdout.trim().split("\n").sort()).to.deep.equal(["ok 0", "ok 1", "ok 2"]);
  });

  describe("that trains", () => {
    for (const ranks of [1, 2, 3, 4])
      it(`with ${ranks} rank${ranks > 1 ? "s" : ""} has the bits of one process with ${ranks} micro-batches`, async () => {
        const micro = ranks === 1 ? [] : ["--micro-batch", String(BATCH / ranks)];
        await succeeds(alone(training(`one-${ranks}`, ...micro)));
        const stdout = await succeeds(mpirun(ranks, training(`ranks-${ranks}`)));
        expect(stdout.match(/^done at step/gm)).to.have.length(1);
        if (ranks > 1) expect(stdout).to.include(`ranks: ${ranks}, ${OPEN_MPI ? "Open MPI" : "MPICH"}`);
        expect(await digestOf(checkpoint(`ranks-${ranks}`))).to.equal(await digestOf(checkpoint(`one-${ranks}`)));
      });

    it("resumes on another number of ranks and on one process, with the same bits", async () => {
      const micro = ["--micro-batch", "2"];
      await succeeds(alone(training("whole", ...micro)));
      await succeeds(mpirun(2, training("parts", ...micro, "--steps", "4")));
      await succeeds(alone([MAIN, "train", "--out", path("parts"), "--resume", "--steps", "8"]));
      await succeeds(mpirun(3, [MAIN, "train", "--out", path("parts"), "--resume", "--steps", String(STEPS)]));
      expect(await digestOf(checkpoint("parts"))).to.equal(await digestOf(checkpoint("whole")));
    });

    it("against a discriminator has the same parameters, and running statistics of rank 0", async () => {
      const gan = [
        "--data",
        path("large"),
        "--batch",
        "4",
        "--size",
        "64",
        "--adv",
        "0.01",
        "--discriminator-channels",
      ];
      const more = [...gan, "4", "--clip", "1", "--average", "0.9", "--steps", "3"];
      await succeeds(alone(training("gan-one", ...more, "--micro-batch", "2")));
      await succeeds(mpirun(2, training("gan-ranks", ...more, "--compare-every", "1")));
      const [one, ranks] = await Promise.all(
        ["gan-one", "gan-ranks"].map(async (run) => (await readCheckpoint(checkpoint(run, 3))).tensors),
      );
      const bytes = ({ data }: FileTensor) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      const differing = [...one!].filter(([name, tensor]) => !bytes(tensor).equals(bytes(ranks!.get(name)!)));
      expect([...one!.keys()].some((name) => name.startsWith("discriminator/"))).to.equal(true);
      expect(differing.every(([name]) => /running_(mean|var)$/.test(name))).to.equal(true);
    });

    it("ends within seconds where a rank is killed, naming it, and resumes", async () => {
      let killed = 0;
      const { code, stderr } = await mpirun(3, training("killed", "--steps", "100000"), {
        meanwhile: (child) =>
          void untilCheckpoint("killed", 4).then(async () => {
            await pause(500);
            killed = performance.now();
            process.kill(rankProcesses(child)[1] as number, "SIGKILL");
          }),
      });
      expect(performance.now() - killed).to.be.below(10_000);
      expect(code).not.to.equal(0);
      expect(stderr).to.match(/rank 1 /);
      await succeeds(mpirun(3, [MAIN, "train", "--out", path("killed"), "--resume", "--steps", String(STEPS)]));
      expect(await digestOf(checkpoint("killed"))).to.equal(await digestOf(checkpoint("ranks-3")));
    });

    it("stops at one step on all ranks where one gets a signal, and resumes", async () => {
      const { code, stdout } = await mpirun(3, training("stopped", "--steps", "100000"), {
        meanwhile: (child) =>
          void untilCheckpoint("stopped", 4).then(() => process.kill(rankProcesses(child)[2] as number, "SIGTERM")),
      });
      expect(code).to.equal(143);
      const step = Number(/stopped at step (\d+)/.exec(stdout)?.[1]);
      expect(step).to.be.within(4, 1000);
      expect((await readCheckpoint(checkpoint("stopped", step))).state.step).to.equal(step);
      const goal = String(step + 2);
      await succeeds(mpirun(2, [MAIN, "train", "--out", path("stopped"), "--resume", "--steps", goal]));
    });

    it("refuses other data, another version and a batch that cannot be divided, before the first step", async () => {
      const local = (run: string, main = MAIN) => [
        ...[main, ...training(run).slice(1), "--data", "pairs"],
        ...["--steps", "1"],
      ];
      const data = await mpirun(
        [
          { cwd: folder, args: local("data") },
          { cwd: path("other"), args: local("data") },
        ],
        [],
      );
      expect(data.code).to.equal(1);
      expect(data.stderr).to.match(/masa train: the data of rank 1 \(process \d+ on .+\) is not that of rank 0/);
      const copy = path("copy");
      mkdirSync(copy);
      for (const name of ["dist/src", "shaders", "weights"])
        cpSync(join(ROOT, name), join(copy, name), { recursive: true });
      symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
      const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as object;
      writeFileSync(join(copy, "package.json"), JSON.stringify({ ...manifest, version: "0.0.1" }));
      const version = await mpirun(
        [
          { cwd: folder, args: local("version") },
          { cwd: folder, args: local("version", join(copy, "dist/src/cli/main.js")) },
        ],
        [],
      );
      expect(version.stderr).to.match(/the version of masa-webgpu of rank 1 .* is not that of rank 0: 0\.0\.1 instead/);
      const batch = await mpirun(2, training("batch", "--batch", "9"));
      expect(batch.stderr).to.match(/masa train: .*the batch of 9 samples cannot be divided over 2 processes/);
      for (const run of ["data", "version", "batch"]) expect(readdirSync(folder)).not.to.include(run);
    });
  });

  describe("over a list", () => {
    it("enlarges each pair once, and goes on after a file that cannot be used", async () => {
      const lines = ["p0", "p1", "nothing", "p2", "p3", "p4"].map((name) => `pairs/input/${name}.png,pairs/ref/p0.png`);
      writeFileSync(path("list.csv"), `lr,ref\n${lines.join("\n")}\n`);
      const upscale = (out: string) => [MAIN, "upscale", "--pairs", path("list.csv"), "--out", path(out)];
      await alone(upscale("alone"));
      const { code, stderr } = await mpirun(2, upscale("shared"));
      expect(code).to.equal(1);
      expect(stderr).to.include("1 of 6 images failed");
      const table = async (out: string) =>
        (await readRecords(path(out, "results.csv"), ["out", "seconds"])).map(
          ({ record: { seconds: _, ...rest } }) => rest,
        );
      expect(await table("shared")).to.deep.equal(await table("alone"));
      for (const name of ["p0", "p1", "p2", "p3", "p4"].map((one) => `${one}.png`))
        expect(readFileSync(path("shared", name)).equals(readFileSync(path("alone", name))), name).to.equal(true);
      // What is there is not made again.
      const again = await mpirun(2, upscale("shared"));
      expect(again.stdout).to.match(/0 images in .*, 5 skipped, 1 failed/);
    });

    it("evaluates and reproduces with the figures of one process", async () => {
      const lines = ["p0", "p1", "p2"].map((name) => `large/input/${name}.png,large/ref/${name}.png`);
      writeFileSync(path("cases.csv"), `hr,ref\n${lines.join("\n")}\n`);
      const evaluate = (name: string) => [
        MAIN,
        "evaluate",
        "--data",
        path("cases.csv"),
        "--json",
        path(`${name}.json`),
      ];
      await succeeds(alone(evaluate("alone")));
      await succeeds(mpirun(2, evaluate("shared")));
      const figures = (name: string) => {
        const text = readFileSync(path(`${name}.json`), "utf8");
        return JSON.parse(text, (key, value) => (key === "milliseconds" ? 0 : value)) as unknown;
      };
      expect(figures("shared")).to.deep.equal(figures("alone"));
      const data = ["--data", path("large"), "--preset", "tiny", "--steps", "1"];
      await succeeds(mpirun(2, [MAIN, "reproduce", "fig6", ...data, "--out", path("paper")]));
      expect(readdirSync(path("paper", "networks")).sort()).to.deep.equal(["masa-0", "none-0"]);
      expect(readdirSync(path("paper"))).to.include.members(["fig6.json", "fig6.md", "index.html"]);
    });
  });

  it("says clearly what is missing or makes no sense", async () => {
    const stderr = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
      (await mpirun(2, [MAIN, ...args], { env })).stderr;
    expect(await stderr(["demo"])).to.match(/masa demo: mpirun started 2 processes, and each would do all the work/);
    const pair = ["--lr", path("pairs/input/p0.png"), "--ref", path("pairs/ref/p0.png"), "--out", path("x.png")];
    expect(await stderr(["upscale", ...pair])).to.include("each would do all the work of masa upscale with one image");
    const train = training("missing").slice(1);
    expect(await stderr(train, { NODE_PATH: "" })).to.include("Install it beside masa-webgpu: npm install koffi");
    expect(await stderr(train, { MASA_MPI: "libnothing.so" })).to.match(/libnothing\.so, which .*MASA_MPI names/);
    expect(await stderr(train, { MASA_MPI: "libm.so.6" })).to.match(/libm\.so\.6, which .*MASA_MPI names/);
    expect(readdirSync(folder)).not.to.include("missing");
  });

  async function untilCheckpoint(run: string, step: number): Promise<void> {
    const name = `step-${String(step).padStart(8, "0")}.safetensors`;
    const isThere = () => {
      try {
        return readdirSync(path(run, "checkpoints")).some((file) => file.startsWith("step-") && file >= name);
      } catch {
        return false;
      }
    };
    while (!isThere()) await pause(50);
  }
});
