import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { CheckpointError, OutputError } from "../../src/files/errors.js";
import { readSafetensors, writeSafetensors } from "../../src/files/safetensors.js";
import { Checkpoints, parseCheckpoint, readCheckpoint, writeCheckpoint } from "../../src/models/checkpoint.js";
import { failure, hash, inFolder } from "../files/golden.js";
import { withFault } from "../train/faults.js";
import { checkpointOf, contentOf, expectWhole } from "./checkpoint_sample.js";

const WRITER = fileURLToPath(new URL("./checkpoint_writer.js", import.meta.url));
const stepFile = (step: number) => `step-${String(step).padStart(8, "0")}.safetensors`;

describe("checkpoint", () => {
  it("gives back all that it was given", () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.safetensors");
      const checkpoint = checkpointOf(7);
      await writeCheckpoint(path, checkpoint);
      expect(contentOf(await readCheckpoint(path))).to.deep.equal(contentOf(checkpoint));
      // Other programs may write the same tensors in another order and the header in other words.
      const { tensors, metadata } = await readSafetensors(path);
      await writeSafetensors(path, new Map([...tensors].reverse()), [...metadata].reverse());
      expect(contentOf(await readCheckpoint(path))).to.deep.equal(contentOf(checkpoint));
    }));

  it("says what is wrong with a file", () =>
    inFolder(async (folder) => {
      const path = join(folder, "a.safetensors");
      const refuses = (message: RegExp) => failure(() => readCheckpoint(path), CheckpointError, message);
      await refuses(/a\.safetensors does not exist/);
      await writeFile(path, "");
      await refuses(/a\.safetensors is empty/);
      await writeFile(path, "<html>, not a checkpoint");
      await refuses(/a\.safetensors is no valid safetensors file: .*take an earlier checkpoint/);
      await writeSafetensors(path, checkpointOf(1).tensors);
      await refuses(/a\.safetensors is no checkpoint of a training run/);

      await writeCheckpoint(path, checkpointOf(1));
      const { tensors, metadata } = await readSafetensors(path);
      const rewrite = (changes: Record<string, string>) =>
        writeSafetensors(path, tensors, Object.entries({ ...Object.fromEntries(metadata), ...changes }));
      await rewrite({ version: "2" });
      await refuses(/a\.safetensors is a checkpoint of version 2; .* reads version 1\. Update/);
      for (const change of [{ state: "{}" }, { state: "5" }, { state: "{" }, { sha256: "" }, { more: "x" }]) {
        await rewrite(change);
        await refuses(/a\.safetensors is damaged: .*take an earlier checkpoint/);
      }
      await rewrite({});
      await readCheckpoint(path);
      await truncate(path, (await stat(path)).size - 1);
      await refuses(/a\.safetensors is no valid safetensors file/);
    }));

  it("refuses numbers that JSON would change", () =>
    inFolder(async (folder) => {
      const { tensors } = checkpointOf(1);
      const write = () => writeCheckpoint(join(folder, "a"), { tensors, state: { nested: { best: -Infinity } } });
      await failure(write, CheckpointError, /the state's best is -Infinity/);
      expect(await readdir(folder)).to.deep.equal([]);
    }));

  it("rejects or survives 10,000 flipped bits and lost ends", () =>
    inFolder(async (folder) => {
      const path = join(folder, "a");
      await writeCheckpoint(path, checkpointOf(3));
      const bytes = new Uint8Array(await readFile(path));
      const whole = JSON.stringify(contentOf(parseCheckpoint(bytes, path)));
      let survived = 0;
      const check = (changed: Uint8Array, what: string) => {
        try {
          expect(JSON.stringify(contentOf(parseCheckpoint(changed, path))), what).to.equal(whole);
          survived++;
        } catch (error) {
          if (!(error instanceof CheckpointError)) throw new Error(what, { cause: error });
          expect(error.message, what).to.contain(path);
        }
      };
      for (let length = 0; length < bytes.length; length++) check(bytes.slice(0, length), `cut at ${length}`);
      expect(survived).to.equal(0);
      for (let m = 0; m < 10_000 - bytes.length; m++) {
        const changed = bytes.slice();
        // One bit, two or three.
        for (let k = 0; k <= hash(m, 0) % 3; k++)
          changed[hash(m, 2 * k + 1) % bytes.length]! ^= 1 << (hash(m, 2 * k + 2) % 8);
        check(changed, `mutation ${m}`);
      }
      expect(survived).to.be.within(0, 200);
    }));
});

describe("checkpoints of a run", () => {
  it("keeps the last ones and the best", () =>
    inFolder(async (parent) => {
      const folder = join(parent, "run", "checkpoints");
      const checkpoints = new Checkpoints(folder, 2);
      expect(await checkpoints.newest()).to.equal(undefined);
      await checkpoints.prepare();
      expect(await checkpoints.newest()).to.equal(undefined);
      expect(await checkpoints.isUsed()).to.equal(false);
      for (const [step, best] of [
        [9, true],
        [10, true],
        [11, false],
        [100_000_000, false],
        [100_000_001, false],
      ] as const)
        expect(await checkpoints.save(step, checkpointOf(step), { best })).to.equal(join(folder, stepFile(step)));
      const files = ["best.safetensors", stepFile(100_000_000), stepFile(100_000_001)];
      expect((await readdir(folder)).sort()).to.deep.equal(files);
      expect(expectWhole(await readCheckpoint(join(folder, "best.safetensors")))).to.equal(10);
      expect(await checkpoints.isUsed()).to.equal(true);
      const found = (await checkpoints.newest())!;
      expect(found.path).to.equal(join(folder, stepFile(100_000_001)));
      expect(expectWhole(found.checkpoint)).to.equal(100_000_001);
      expect(found.skipped).to.deep.equal([]);
    }));

  it("passes over what cannot be read, and says so", () =>
    inFolder(async (folder) => {
      const checkpoints = new Checkpoints(folder, 4);
      for (const step of [1, 2, 3, 4]) await checkpoints.save(step, checkpointOf(step), { best: step === 1 });
      await truncate(join(folder, stepFile(4)), 100);
      await writeFile(join(folder, stepFile(3)), "");
      await writeFile(join(folder, "step-x.safetensors"), "of somebody else");
      const found = (await checkpoints.newest())!;
      expect(expectWhole(found.checkpoint)).to.equal(2);
      expect(found.skipped.map(({ path }) => path)).to.deep.equal([4, 3].map((step) => join(folder, stepFile(step))));
      expect(found.skipped[0]?.reason).to.match(/step-00000004.safetensors is no valid .*: it ends inside its header$/);
      expect(found.skipped[1]?.reason).to.match(/step-00000003.safetensors is empty$/);

      for (const step of [1, 2]) await truncate(join(folder, stepFile(step)), 100);
      const error = await failure(() => checkpoints.newest(), CheckpointError, /no checkpoint in .* can be read/);
      for (const name of [...[1, 2, 3, 4].map(stepFile), "best.safetensors"]) expect(error.message).to.contain(name);
    }));

  it("falls back on the best", () =>
    inFolder(async (folder) => {
      const checkpoints = new Checkpoints(folder, 1);
      await checkpoints.save(1, checkpointOf(1), { best: true });
      await checkpoints.save(2, checkpointOf(2));
      await truncate(join(folder, stepFile(2)), 100);
      const found = (await checkpoints.newest())!;
      expect(expectWhole(found.checkpoint)).to.equal(1);
      expect(found.skipped).to.have.length(1);
    }));

  it("does not count unreadable ones among those it keeps", () =>
    inFolder(async (folder) => {
      for (const step of [1, 2, 3, 9]) await new Checkpoints(folder, 5).save(step, checkpointOf(step));
      for (const step of [3, 9]) await truncate(join(folder, stepFile(step)), 100);
      const checkpoints = new Checkpoints(folder, 2);
      await checkpoints.newest();
      await checkpoints.save(4, checkpointOf(4));
      // Step 9 is overwritten when the run comes there.
      expect((await readdir(folder)).sort()).to.deep.equal([2, 4, 9].map(stepFile));
      await checkpoints.save(9, checkpointOf(9));
      expect((await readdir(folder)).sort()).to.deep.equal([4, 9].map(stepFile));
    }));

  it("names what is in the way", () =>
    inFolder(async (folder) => {
      await writeFile(join(folder, "file"), "x");
      await mkdir(join(folder, "taken", "best.safetensors"), { recursive: true });
      const prepare = (name: string) => new Checkpoints(join(folder, name), 1).prepare();
      await failure(() => prepare("file"), OutputError, /file: a file has this name/);
      await failure(() => prepare(join("file", "a")), OutputError, /file is no folder/);
      await failure(() => prepare("taken"), OutputError, /best\.safetensors: it is a folder/);
      await failure(() => new Checkpoints(join(folder, "file"), 1).newest(), CheckpointError, /cannot be read/);
      for (const keep of [0, 1.5, Number.NaN])
        await failure(() => new Checkpoints(folder, keep), CheckpointError, /keep/);
      const save = () => new Checkpoints(folder, 1).save(-1, checkpointOf(1));
      await failure(save, CheckpointError, /step is -1/);
    }));

  it("writes the best through a link", () =>
    inFolder(async (folder) => {
      await mkdir(join(folder, "elsewhere"));
      await writeFile(join(folder, "elsewhere", "best"), "old");
      await symlink(join("elsewhere", "best"), join(folder, "best.safetensors"));
      const checkpoints = new Checkpoints(folder, 2);
      for (const step of [1, 2]) {
        await checkpoints.save(step, checkpointOf(step), { best: true });
        expect(expectWhole(await readCheckpoint(join(folder, "elsewhere", "best")))).to.equal(step);
      }
      for (const step of [1, 2]) expect(expectWhole(await readCheckpoint(join(folder, stepFile(step))))).to.equal(step);
    }));
});

describe("checkpoints in trouble", () => {
  /** A folder with steps 1 and 2 and the best of step 1, in which saving step 3 as the best goes wrong. */
  async function saveWithFault(folder: string, at: number, code: string, lasting: boolean): Promise<number> {
    const checkpoints = new Checkpoints(folder, 2);
    for (const step of [1, 2]) await checkpoints.save(step, checkpointOf(step), { best: step === 1 });
    let error: unknown;
    const calls = await withFault({ at, code, lasting }, () =>
      checkpoints.save(3, checkpointOf(3), { best: true }).then(
        () => {},
        (cause: unknown) => {
          error = cause;
        },
      ),
    );
    const what = `${code} at call ${at}${lasting ? " and later" : ""}`;
    if (error !== undefined) expect(error, what).to.be.instanceOf(OutputError);
    const after = new Checkpoints(folder, 2);
    await after.prepare();
    const names = await readdir(folder);
    expect(
      names.filter((name) => !name.endsWith(".safetensors")),
      what,
    ).to.deep.equal([]);
    for (const name of names) expectWhole(await readCheckpoint(join(folder, name)));
    const newest = expectWhole((await after.newest())!.checkpoint);
    const best = expectWhole(await readCheckpoint(join(folder, "best.safetensors")));
    expect(newest, what).to.be.oneOf(error === undefined ? [3] : [2, 3]);
    expect(best, what).to.be.oneOf(newest === 3 ? [3] : [1, 3]);
    if (error !== undefined) expect(names, what).to.include.members([1, 2].map(stepFile));
    return calls;
  }

  for (const code of ["ENOSPC", "EACCES", "EIO"]) {
    it(`loses nothing by ${code} at any call`, async () => {
      let calls = 0;
      await inFolder(async (folder) => {
        calls = await saveWithFault(folder, Number.POSITIVE_INFINITY, code, false);
      });
      expect(calls).to.be.greaterThan(15);
      for (const lasting of [false, true])
        for (let at = 0; at < calls; at++)
          await inFolder(async (folder) => {
            await saveWithFault(folder, at, code, lasting);
          });
    });
  }

  it("loses nothing where the system cuts a write short", () =>
    inFolder(async (folder) => {
      const checkpoints = new Checkpoints(folder, 2);
      await checkpoints.save(1, checkpointOf(1, 40_000), { best: true });
      // Files of at most 64 KiB or 128 KiB (the shells differ); the checkpoint has 320 kB.
      const writer = spawn("sh", [
        "-c",
        'ulimit -f 128; exec "$0" "$@"',
        process.execPath,
        WRITER,
        folder,
        "40000",
        "2",
      ]);
      expect((await linesOf(writer))[1]).to.match(/^OutputError: cannot write .*step-00000002.* larger than allowed/);
      expect((await readdir(folder)).sort()).to.deep.equal(["best.safetensors", stepFile(1)]);
      expect(expectWhole((await checkpoints.newest())!.checkpoint)).to.equal(1);
    }));

  it("survives being killed at any moment", async () => {
    const [lanes, kills] = [2, 25];
    const lane = (seed: number) =>
      inFolder(async (folder) => {
        let last = 0;
        for (let kill = 0; kill < kills; kill++) {
          const writer = spawn(process.execPath, [WRITER, folder, "20000", "100000"]);
          const printed = linesOf(writer);
          await Promise.race([once(writer.stdout, "data"), printed]);
          await setTimeout(hash(seed, kill) % 60);
          writer.kill("SIGKILL");
          const lines = await printed;
          const saved = Number(lines.at(-1));
          expect(saved, lines.join()).to.be.at.least(last);

          const checkpoints = new Checkpoints(folder, 2);
          await checkpoints.prepare();
          const names = await readdir(folder);
          expect(names.filter((name) => name.includes("tmp"))).to.deep.equal([]);
          // Two, the best, and one more where the kill came between the writing of a file and the removal of another.
          if (lines.length > 1) expect(names.length, names.join()).to.be.at.most(4);
          const found = await checkpoints.newest();
          expect(found?.skipped ?? []).to.deep.equal([]);
          last = found ? expectWhole(found.checkpoint) : 0;
          expect(last).to.be.within(saved, saved + 1);
          if (last < 3) continue;
          const best = expectWhole(await readCheckpoint(join(folder, "best.safetensors")));
          expect(best).to.be.oneOf([last - (last % 3), last + 1]);
        }
        expect(last).to.be.greaterThan(0);
      });
    await Promise.all(Array.from({ length: lanes }, (_, seed) => lane(seed)));
  });
});

/** All that a process prints until it ends. */
async function linesOf(child: ChildProcess): Promise<string[]> {
  let text = "";
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  await once(child, "close");
  return text.trim().split("\n");
}
