import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { makeSample, NO_AUGMENTATION } from "../../src/data/augment.js";
import { DataError } from "../../src/data/errors.js";
import { type Batch, Loader, type LoaderOptions, type Position } from "../../src/data/loader.js";
import { Random } from "../../src/data/random.js";
import { ImageError } from "../../src/files/errors.js";
import { toTensor } from "../../src/image/image.js";
import { node } from "../cli/masa.js";
import { failure, inFolder } from "../files/golden.js";
import { noise, putPairs } from "./files.js";

const ALL = { exchange: true, colour: true, geometry: true };
const SLOW = new URL("./slow_worker.js", import.meta.url);

function digest({ epoch, step, names, lr, hr, ref, refDown }: Batch): string {
  const sum = createHash("sha256").update(`${epoch} ${step} ${names}`);
  for (const values of [lr, hr, ref, refDown])
    sum.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return sum.digest("hex");
}

async function take(loader: Loader, from: Position, count: number, augmentation = ALL): Promise<string[]> {
  const digests: string[] = [];
  for await (const batch of loader.batches(from, augmentation)) {
    digests.push(digest(batch));
    if (digests.length === count) break;
  }
  return digests;
}

/** Runs `use` with 10 pairs of 32×32. */
function withPairs(use: (pairs: Awaited<ReturnType<typeof putPairs>>, folder: string) => Promise<void>) {
  return () => inFolder(async (folder) => use(await putPairs(folder, 10), folder));
}

const options = (changed: Partial<LoaderOptions> = {}): LoaderOptions => ({ batch: 3, seed: 5, size: 32, ...changed });

describe("loader", () => {
  it(
    "gives the tensors of the samples in BGR, in the epoch's order",
    withPairs(async (pairs) => {
      await using loader = new Loader(pairs, options());
      expect(loader.stepsPerEpoch).to.equal(3);
      expect(loader.shapes).to.deep.equal({
        lr: [3, 3, 8, 8],
        hr: [3, 3, 32, 32],
        ref: [3, 3, 32, 32],
        refDown: [3, 3, 8, 8],
      });
      const order = new Random({ seed: 5, epoch: 2 }).permutation(10);
      for await (const batch of loader.batches({ epoch: 2, step: 1 }, ALL)) {
        if (batch.epoch > 2) break;
        const indices = [...order.subarray(3 * batch.step, 3 * batch.step + 3)];
        expect(batch.names).to.deep.equal(indices.map((i) => pairs[i]?.name));
        for (const [i, index] of indices.entries()) {
          const images = [noise(2 * index), noise(2 * index + 1)] as const;
          const sample = makeSample(images, 32, new Random({ seed: 5, epoch: 2, sample: index }), ALL);
          for (const name of ["lr", "hr", "ref", "refDown"] as const) {
            const expected = toTensor(sample[name]);
            expect(batch[name].subarray(i * expected.length, (i + 1) * expected.length)).to.deep.equal(expected);
          }
        }
      }
    }),
  );

  it(
    "withholds the share of references that it is told to, and changes nothing else",
    withPairs(async (pairs) => {
      await using loader = new Loader(pairs, options({ batch: 10 }));
      const [digests, present] = [[] as string[], [] as number[]];
      for await (const batch of loader.batches({ epoch: 0, step: 0 }, { ...ALL, dropReference: 0.3 })) {
        digests.push(digest(batch));
        present.push(...batch.present);
        if (digests.length === 40) break;
      }
      expect(digests).to.deep.equal(await take(loader, { epoch: 0, step: 0 }, 40));
      expect(new Set(present)).to.deep.equal(new Set([0, 1]));
      // Of 400 draws 120 are expected, with a standard deviation of 9.2.
      expect(present.filter((one) => one === 0).length).to.be.within(84, 156);
      for await (const batch of loader.batches({ epoch: 0, step: 0 }, ALL)) {
        expect([...batch.present]).to.deep.equal(new Array(10).fill(1));
        break;
      }
    }),
  );

  it(
    "gives the same 1,000 batches however long the reading takes",
    withPairs(async (pairs) => {
      await using one = new Loader(pairs, options({ batch: 1, workers: 1 }));
      await using slow = new Loader(pairs, options({ batch: 1, workers: 3, script: SLOW }));
      const [expected, batches] = await Promise.all([
        take(one, { epoch: 0, step: 0 }, 1000),
        take(slow, { epoch: 0, step: 0 }, 1000),
      ]);
      expect(batches).to.deep.equal(expected);
      expect(new Set(expected).size).to.equal(1000);
    }),
  );

  it(
    "goes on from any position with the same bits",
    withPairs(async (pairs) => {
      await using first = new Loader(pairs, options());
      const whole = await take(first, { epoch: 0, step: 0 }, 30);
      await using second = new Loader(pairs, options());
      for (const at of [29, 3, 17, 8]) {
        const from = { epoch: Math.floor(at / 3), step: at % 3 };
        const count = Math.min(4, 30 - at);
        expect(await take(second, from, count)).to.deep.equal(whole.slice(at, at + count));
      }
    }),
  );

  it(
    "sees every pair once in an epoch, but for those that fill no batch, in an order of its own",
    withPairs(async (pairs) => {
      await using loader = new Loader(pairs, options({ batch: 2 }));
      const orders = new Set<string>();
      let names: string[] = [];
      for await (const batch of loader.batches({ epoch: 0, step: 0 }, NO_AUGMENTATION)) {
        if (batch.epoch === 4) break;
        names.push(...batch.names);
        if (batch.step < 4) continue;
        orders.add(names.join());
        expect(names.sort()).to.deep.equal(pairs.map(({ name }) => name));
        names = [];
      }
      expect(orders.size).to.equal(4);
    }),
  );

  it(
    "depends on the seed",
    withPairs(async (pairs) => {
      await using a = new Loader(pairs, options({ seed: 1 }));
      await using b = new Loader(pairs, options({ seed: 2 }));
      expect(await take(a, { epoch: 0, step: 0 }, 1)).not.to.deep.equal(await take(b, { epoch: 0, step: 0 }, 1));
    }),
  );

  it(
    "makes only a few batches ahead",
    withPairs(async (pairs, folder) => {
      const log = join(folder, "log");
      process.env.MASA_TEST_LOG = log;
      await using loader = new Loader(pairs, options({ workers: 2, script: SLOW }));
      const batches = loader.batches({ epoch: 0, step: 0 }, ALL);
      await batches.next();
      await new Promise((resolve) => setTimeout(resolve, 300));
      delete process.env.MASA_TEST_LOG;
      expect(readFileSync(log, "utf8").trim().split("\n")).to.have.length(4);
    }),
  );

  it(
    "names the file that became unreadable, after the batches before it, and can go on",
    withPairs(async (pairs) => {
      await using loader = new Loader(pairs, options());
      const order = new Random({ seed: 5, epoch: 0 }).permutation(10);
      const broken = pairs[order[7]!]!;
      await writeFile(broken.ref, "x");
      const batches = loader.batches({ epoch: 0, step: 0 }, ALL);
      expect((await batches.next()).value.step).to.equal(0);
      expect((await batches.next()).value.step).to.equal(1);
      const error = await failure(() => batches.next(), ImageError, /is no image of a known format\. Give a PNG/);
      expect(error.message).to.include(broken.ref);
      expect(await take(loader, { epoch: 0, step: 0 }, 1)).to.have.length(1);
    }),
  );

  it(
    "ends its workers when it is closed or aborted, and fails what waits",
    withPairs(async (pairs) => {
      const loader = new Loader(pairs, options({ script: SLOW }));
      const waiting = loader.batches({ epoch: 0, step: 0 }, ALL).next();
      const closed = failure(() => waiting, Error, /the loader was closed/);
      await loader.dispose();
      await loader.dispose();
      await closed;

      const controller = new AbortController();
      const aborted = new Loader(pairs, options({ signal: controller.signal }));
      const batches = aborted.batches({ epoch: 0, step: 0 }, ALL);
      await batches.next();
      controller.abort(new Error("stop now"));
      await failure(() => take(aborted, { epoch: 0, step: 0 }, 1), Error, /stop now/);
      await failure(
        () => take(new Loader(pairs, options({ signal: controller.signal })), { epoch: 0, step: 0 }, 1),
        Error,
        /stop now/,
      );
    }),
  );

  it(
    "does not keep a process alive that waits for nothing, closed or not",
    withPairs(async (pairs) => {
      const module = new URL("../../src/data/loader.js", import.meta.url).href;
      const code = `
        import { Loader } from ${JSON.stringify(module)};
        const loader = new Loader(${JSON.stringify(pairs)}, { batch: 3, seed: 0, size: 32 });
        for await (const { step } of loader.batches({ epoch: 0, step: 0 }, ${JSON.stringify(ALL)})) { console.log(step); break; }`;
      const ended = await node(["--input-type=module", "-e", code]);
      expect(ended).to.deep.equal({ code: 0, stdout: "0\n", stderr: "" });
    }),
  );

  it(
    "refuses sizes, batches and positions that cannot be",
    withPairs(async (pairs) => {
      await failure(
        () => new Loader(pairs, options({ size: 100 })),
        DataError,
        /size 100 cannot be used\. Give a multiple of 32/,
      );
      await failure(() => new Loader(pairs, options({ batch: 11 })), DataError, /10 pairs do not fill a batch of 11/);
      await failure(() => new Loader(pairs, options({ batch: 0 })), DataError, /no batch of 0 samples/);
      await using loader = new Loader(pairs, options());
      await failure(() => take(loader, { epoch: 0, step: 3 }, 1), DataError, /epoch of 3 steps has no step 3/);
    }),
  );

  it("reports a worker that dies", () =>
    inFolder(async (folder) => {
      const script = join(folder, "dying.mjs");
      await writeFile(
        script,
        `import { parentPort } from "node:worker_threads"; parentPort.on("message", () => process.exit(3));`,
      );
      const pairs = await putPairs(folder, 3);
      const loader = new Loader(pairs, options({ script: new URL(`file://${script}`) }));
      await failure(() => take(loader, { epoch: 0, step: 0 }, 1), Error, /worker ended unexpectedly with code 3/);
      await rm(script);
    }));
});
