import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { MasaError } from "../../../src/errors.js";
import { OutputError } from "../../../src/files/errors.js";
import { MetricsLog, type MetricsRecord, readMetrics } from "../../../src/train/log/metrics.js";
import { failure, inFolder } from "../../files/golden.js";
import { onFullDisk } from "./full_disk.js";

/** What a run writes of a step: its losses, and every second step a validation. */
function recordsOf(step: number): MetricsRecord[] {
  const records: MetricsRecord[] = [
    { step, kind: "step", loss: step / 3, rate: 1e-4, skipped: step === 4, best: null },
  ];
  if (step % 2 === 0) records.push({ step, kind: "validation", "psnr ‘Y’": 20 + step });
  return records;
}

function writeSteps(log: MetricsLog, from: number, to: number): void {
  for (let step = from; step <= to; step++) for (const record of recordsOf(step)) log.write(record);
}

const lines = (records: readonly MetricsRecord[]) => records.map((record) => `${JSON.stringify(record)}\n`).join("");

describe("metrics", () => {
  it("writes a line for each record, there at once", () =>
    inFolder(async (folder) => {
      const path = join(folder, "metrics.jsonl");
      const log = await MetricsLog.open(path);
      expect(await readMetrics(path)).to.deep.equal([]);
      for (let step = 1; step <= 3; step++) {
        for (const record of recordsOf(step)) log.write(record);
        expect((await readMetrics(path)).at(-1)).to.deep.equal(recordsOf(step).at(-1));
      }
      log.flush();
      log.close();
      log.close();
      expect(await readFile(path, "utf8")).to.equal(lines([1, 2, 3].flatMap(recordsOf)));
    }));

  it("keeps what JSON cannot say", () =>
    inFolder(async (folder) => {
      const path = join(folder, "metrics.jsonl");
      const log = await MetricsLog.open(path);
      const record = { step: 1, loss: Number.NaN, norm: Number.POSITIVE_INFINITY, low: -Infinity, name: "a\nb" };
      log.write(record);
      log.close();
      expect(await readMetrics(path)).to.deep.equal([record]);
      const [line] = (await readFile(path, "utf8")).split("\n");
      expect(JSON.parse(line!)).to.deep.equal({ ...record, loss: "NaN", norm: "Infinity", low: "-Infinity" });
    }));

  it("reads after a kill at any byte and a resumption as if the run had never stopped", () =>
    inFolder(async (folder) => {
      const path = join(folder, "metrics.jsonl");
      const whole = Buffer.from(lines([1, 2, 3, 4, 5, 6].flatMap(recordsOf)));
      const checkpoint = Buffer.from(lines([1, 2, 3].flatMap(recordsOf))).length;
      // A line of which only the end of line is missing is whole.
      for (let length = checkpoint - 1; length <= whole.length; length++) {
        await writeFile(path, whole.subarray(0, length));
        const log = await MetricsLog.open(path, 3);
        writeSteps(log, 4, 6);
        log.close();
        expect(await readFile(path), `killed at ${length}`).to.deep.equal(whole);
      }
      expect(await readdir(folder)).to.deep.equal(["metrics.jsonl"]);
    }));

  it("drops a torn last line, wherever it is torn", () =>
    inFolder(async (folder) => {
      const path = join(folder, "metrics.jsonl");
      const [first, second] = [lines(recordsOf(1)), Buffer.from(lines([{ step: 2, "psnr ‘Y’": 22 }]))];
      for (let length = 0; length < second.length - 1; length++) {
        await writeFile(path, Buffer.concat([Buffer.from(first), second.subarray(0, length)]));
        expect(await readMetrics(path), `torn after ${length}`).to.deep.equal(recordsOf(1));
        (await MetricsLog.open(path, 2)).close();
        expect(await readFile(path, "utf8"), `torn after ${length}`).to.equal(first);
      }
    }));

  it("cuts back by steps only", () =>
    inFolder(async (folder) => {
      const path = join(folder, "metrics.jsonl");
      const kept = [{ adapter: "x" }, { step: 2 }, { step: 0 }];
      await writeFile(path, lines([kept[0]!, { step: 3 }, kept[1]!, { step: 20 }, kept[2]!]));
      (await MetricsLog.open(path, 2)).close();
      expect(await readMetrics(path)).to.deep.equal(kept);
    }));

  it("resumes without a file, and begins none where there is one", () =>
    inFolder(async (folder) => {
      const path = join(folder, "metrics.jsonl");
      const log = await MetricsLog.open(path, 7);
      writeSteps(log, 8, 8);
      log.close();
      await failure(() => MetricsLog.open(path), OutputError, /metrics\.jsonl: it exists already\./);
      expect(await readMetrics(path)).to.deep.equal(recordsOf(8));
    }));

  it("refuses a file of something else, and leaves it alone", () =>
    inFolder(async (folder) => {
      const path = join(folder, "metrics.jsonl");
      for (const odd of ["", "[1]", "5", "null", '{"step":']) {
        const text = `{"step":1}\n${odd}\n{"step":2}\n`;
        await writeFile(path, text);
        for (const read of [() => readMetrics(path), () => MetricsLog.open(path, 1)])
          await failure(read, MasaError, /line 2 of .*metrics\.jsonl holds no figures of a run\. Remove the line/);
        expect(await readFile(path, "utf8")).to.equal(text);
      }
      await mkdir(join(folder, "b"));
      await failure(() => readMetrics(join(folder, "a")), MasaError, /a does not exist\. Check the path/);
      await failure(() => readMetrics(join(folder, "b")), MasaError, /b cannot be read: /);
      await failure(() => MetricsLog.open(join(folder, "b"), 1), OutputError, /b: it is a folder/);
      await failure(() => MetricsLog.open(join(folder, "a", "b")), OutputError, /a does not exist\. Create it/);
    }));

  it("tells of a full disk at once, and goes on where it left off", () =>
    inFolder(async (folder) => {
      const path = join(folder, "metrics.jsonl");
      const log = await MetricsLog.open(path);
      writeSteps(log, 1, 2);
      onFullDisk(() => {
        expect(() => log.write({ step: 3, text: "x".repeat(50) })).to.throw(
          OutputError,
          /metrics\.jsonl: the disk is full\. Make room/,
        );
      });
      expect(await readMetrics(path)).to.deep.equal([1, 2].flatMap(recordsOf));
      writeSteps(log, 4, 4);
      log.close();
      expect(await readMetrics(path)).to.deep.equal([1, 2, 4].flatMap(recordsOf));
      expect(() => log.write({ step: 5 })).to.throw(OutputError, /metrics\.jsonl: it is closed/);
    }));
});
