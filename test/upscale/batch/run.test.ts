import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parseRecords } from "../../../src/data/csv.js";
import { DataError } from "../../../src/data/errors.js";
import { OutputError } from "../../../src/files/errors.js";
import { readImage, writeImage } from "../../../src/files/images.js";
import type { Device } from "../../../src/gpu/device.js";
import { NoAdapterError } from "../../../src/gpu/errors.js";
import { createImage } from "../../../src/image/image.js";
import { psnrY, ssimY } from "../../../src/image/metrics.js";
import { resizeBicubic } from "../../../src/image/resize.js";
import { untrainedMasa } from "../../../src/models/load.js";
import { nodePlatform, openDevice } from "../../../src/platform/node.js";
import { type BatchPair, readPair } from "../../../src/upscale/batch/pairs.js";
import type { Row } from "../../../src/upscale/batch/results.js";
import { type BatchOptions, divide, upscaleBatch } from "../../../src/upscale/batch/run.js";
import { Upscaler, upscale } from "../../../src/upscale/run.js";
import { failure, fillNoise, inFolder } from "../../files/golden.js";

const NETWORK = { channels: 4, encoderBlocks: [0, 0, 0], decoderBlocks: [0, 0, 0, 0, 0, 0] } as const;

const devices: Device[] = [];
async function open(keptBytes?: number): Promise<Upscaler> {
  const device = await openDevice({}, { ...nodePlatform, warn: () => {} });
  devices.push(device);
  return new Upscaler(device, await untrainedMasa(device, NETWORK, 1), { keptBytes });
}

/** Pairs of noise, whose LR images have these sizes; the first has a true image. */
async function putPairs(folder: string, ...sizes: readonly [number, number][]): Promise<BatchPair[]> {
  const put = async (name: string, width: number, height: number) => {
    await writeImage(join(folder, name), fillNoise(createImage(width, height, 3, 8), width + height));
    return join(folder, name);
  };
  const ref = await put("ref.png", 32, 48);
  return Promise.all(
    sizes.map(async ([width, height], i) => ({
      lr: await put(`lr${i}.png`, width, height),
      refs: [ref],
      hr: i === 0 ? await put("hr.png", 4 * width, 4 * height) : undefined,
      out: `${i}.png`,
    })),
  );
}

const rowsOf = (out: string) =>
  parseRecords(readFileSync(join(out, "results.csv"), "utf8"), "results.csv", ["out", "status", "psnr"]).map(
    ({ record }) => record as Row,
  );

describe("a batch", () => {
  /** Runs pairs of these sizes into `folder/out`; `prepare` may change them. */
  const inBatch = (
    sizes: readonly [number, number][],
    test: (batch: {
      out: string;
      pairs: BatchPair[];
      run: (options?: Partial<BatchOptions>) => ReturnType<typeof upscaleBatch>;
    }) => Promise<void>,
  ) =>
    inFolder(async (folder) => {
      const [out, pairs] = [join(folder, "out"), await putPairs(folder, ...sizes)];
      await test({ out, pairs, run: (options = {}) => upscaleBatch(out, pairs, { open, ...options }) });
    });

  afterEach(() => {
    for (const device of devices.splice(0)) expect(device.memory().bytes).to.equal(0);
  });

  it("makes what single calls make, and measures it where the truth is known", () =>
    inBatch(
      [
        [8, 8],
        [9, 5],
        [8, 8],
      ],
      async ({ out, pairs, run }) => {
        const { done, skipped, failed, measured } = await run();
        expect([done, skipped, failed, measured.length]).to.deep.equal([3, 0, [], 1]);
        const { device, masa } = await open();
        for (const pair of pairs) {
          const alone = await upscale(device, masa, await readPair(pair));
          expect((await readImage(join(out, pair.out))).data).to.deep.equal(alone.image.data);
        }
        device.dispose();
        const [first, second] = rowsOf(out) as [Row, Row];
        const [image, { hr, lr }] = [await readImage(join(out, "0.png")), await readPair(pairs[0]!)];
        expect(Number(first.psnr)).to.be.closeTo(psnrY(image, hr!), 1e-4);
        expect(Number(first.ssim)).to.be.closeTo(ssimY(image, hr!), 1e-6);
        expect(Number(first.bicubic_psnr)).to.be.closeTo(psnrY(resizeBicubic(lr, 32, 32), hr!), 1e-4);
        expect(second).to.include({ out: "1.png", status: "done", psnr: "", error: "" });
      },
    ));

  it("goes on after files that cannot be used, and tries them again the next time", () =>
    inBatch(
      [
        [8, 8],
        [8, 8],
        [8, 8],
      ],
      async ({ out, pairs, run }) => {
        writeFileSync(pairs[0]!.lr, "no image");
        pairs[1] = { ...pairs[1]!, refs: ["none.png"] };
        const { done, failed } = await run();
        expect(done).to.equal(1);
        expect(failed.map(({ error }) => error)).to.deep.equal([
          `${pairs[0]!.lr} is no image of a known format. Give a PNG, JPEG, WebP, TIFF, AVIF or GIF file`,
          "none.png does not exist. Check the path",
        ]);
        expect(rowsOf(out).map(({ status }) => status)).to.deep.equal(["failed", "failed", "done"]);
        const again = await run();
        expect([again.done, again.skipped, again.failed.length]).to.deep.equal([0, 1, 2]);
        expect(rowsOf(out)).to.have.length(3);
      },
    ));

  it("makes nothing again that is there, says what the table lacks of it, and makes it again if told", () =>
    inBatch(
      [
        [12, 8],
        [8, 8],
      ],
      async ({ out, pairs, run }) => {
        await run();
        const [rows, times] = [rowsOf(out), pairs.map((pair) => statSync(join(out, pair.out)).mtimeMs)];
        // The true image of one is gone. The rest is as after a kill between image and row, and while a row was written.
        pairs[1] = { ...pairs[1]!, hr: "none.png" };
        const table = readFileSync(join(out, "results.csv"), "utf8");
        writeFileSync(join(out, "results.csv"), `${table.split("\n")[0]}\n1.png,half a r`);
        writeFileSync(join(out, ".1.png.999999999-0.tmp"), "left by a kill");
        const forbidden = () => Promise.reject(new Error("there is nothing to compute"));
        const seen: unknown[] = [];
        const { done, skipped } = await run({ open: forbidden, onPair: (...told) => seen.push(told) });
        expect([done, skipped, seen]).to.deep.equal([0, 2, [[2, undefined]]]);
        const without = ({ similarity: _, seconds: __, ...row }: Row) => row;
        const error = "not measured: none.png does not exist. Check the path";
        expect(rowsOf(out).map(without)).to.deep.equal([rows[0], { ...rows[1]!, error }].map((row) => without(row!)));
        pairs[1] = { ...pairs[1]!, hr: undefined };
        expect(pairs.map((pair) => statSync(join(out, pair.out)).mtimeMs)).to.deep.equal(times);
        expect(readdirSync(out).sort()).to.deep.equal(["0.png", "1.png", "results.csv"]);
        expect((await run({ overwrite: true })).done).to.equal(2);
        expect(statSync(join(out, "0.png")).mtimeMs).to.be.above(times[0]!);
      },
    ));

  it("stops within a pair when it is aborted, and goes on from there", () =>
    inBatch(
      [
        [8, 8],
        [8, 8],
        [8, 8],
      ],
      async ({ out, pairs, run }) => {
        const controller = new AbortController();
        const reason = new Error("stop");
        const onPair: BatchOptions["onPair"] = (done) =>
          void (done === 1 && setTimeout(() => controller.abort(reason)));
        expect(await failure(() => run({ signal: controller.signal, onPair }), Error)).to.equal(reason);
        const { ready, todo } = divide(out, pairs);
        expect(rowsOf(out).map((row) => row.out)).to.deep.equal(ready.map((pair) => pair.out));
        expect(todo).not.to.be.empty;
        const { done, skipped } = await run();
        expect([done, skipped]).to.deep.equal([todo.length, ready.length]);
        expect(rowsOf(out).map((row) => row.out)).to.deep.equal(["0.png", "1.png", "2.png"]);
      },
    ));

  it("opens another device where one is lost, and loses no pair", () =>
    inBatch(
      [
        [8, 8],
        [8, 8],
        [8, 8],
      ],
      async ({ run }) => {
        const onPair: BatchOptions["onPair"] = (done) => void (done === 1 && devices[0]!.gpu.destroy());
        const { done, failed } = await run({ onPair });
        expect([done, failed, devices.length]).to.deep.equal([3, [], 2]);
      },
    ));

  it("keeps its GPU memory within that of the largest pair, whatever the sizes", () =>
    inBatch(
      [
        [8, 8],
        [40, 24],
        [16, 8],
        [8, 8],
        [40, 24],
      ],
      async ({ run, out, pairs }) => {
        await upscaleBatch(out, [pairs[1]!], { open: () => open(0) });
        const most = devices[0]!.memory().peakBytes;
        await run({ open: () => open(0), overwrite: true });
        expect(devices[1]!.memory().peakBytes).to.equal(most);
      },
    ));

  it("ends where all other pairs would fail too: without a GPU, without a place to write", () =>
    inBatch(
      [
        [8, 8],
        [8, 8],
      ],
      async ({ out, run }) => {
        const none = () => Promise.reject(new NoAdapterError("there is no GPU", "Buy one"));
        await failure(() => run({ open: none }), NoAdapterError);
        expect(existsSync(out)).to.equal(false);
        writeFileSync(out, "a file");
        await failure(() => run(), OutputError, /a file has this name/);
        rmSync(out);
        mkdirSync(out);
        writeFileSync(join(out, "results.csv"), "name,age\nJohn,9\n");
        await failure(() => run(), DataError, /results\.csv has no column 'out'/);
        rmSync(join(out, "results.csv"));
        const onPair: BatchOptions["onPair"] = (done) => {
          if (done === 1) mkdirSync(join(out, "1.png"));
        };
        await failure(() => run({ onPair }), OutputError, /1\.png: it is a folder/);
        expect(rowsOf(out).map((row) => row.out)).to.deep.equal(["0.png"]);
      },
    ));
});
