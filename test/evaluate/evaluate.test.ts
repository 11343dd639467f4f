import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { DataError } from "../../src/data/errors.js";
import { findTestData } from "../../src/data/layouts.js";
import {
  type CaseResult,
  type CaseSelection,
  evaluate,
  evaluatePrepared,
  type PreparedCase,
  prepareCases,
  selectCases,
} from "../../src/evaluate/evaluate.js";
import { readImage } from "../../src/files/images.js";
import { OutOfGpuMemoryError } from "../../src/gpu/errors.js";
import { colourShare, worseBlocks } from "../../src/image/added.js";
import { ImageError } from "../../src/image/errors.js";
import { gmsd } from "../../src/image/gmsd.js";
import { cropImage, type Image, padImage } from "../../src/image/image.js";
import { psnr, psnrCbCr, psnrY, ssimY } from "../../src/image/metrics.js";
import { downscale, padCentred, padEnd, stackReferences } from "../../src/image/pairs.js";
import { resizeBicubic } from "../../src/image/resize.js";
import type { Masa } from "../../src/masa/masa.js";
import { untrainedMasa } from "../../src/models/load.js";
import { nodePlatform, openDevice } from "../../src/platform/node.js";
import { upscale } from "../../src/upscale/run.js";
import { noise, put } from "../data/files.js";
import { testDevice } from "../device.js";
import { failure, inFolder } from "../files/golden.js";
import { rejection } from "../rejection.js";
import { LAYOUTS, NETWORK, putLayout } from "../train/test_sets.js";

const EXAMPLES = fileURLToPath(new URL("../../../examples/data/cufed5", import.meta.url));

let masa: Masa;

/** What a case's numbers must be, by another way through the code: `upscale` of the prepared LR, and own cutting. */
async function expected(hr: Image, multiple: number, ref: (lr: Image) => Image) {
  const { image } = padCentred(hr, multiple);
  const lr = downscale(image);
  const cut = (large: Image) => {
    const [left, top] = [Math.floor((image.width - hr.width) / 2), Math.floor((image.height - hr.height) / 2)];
    return cropImage(large, left, top, hr.width, hr.height);
  };
  const result = await upscale(await testDevice(), masa, { lr, refs: [ref(lr)] });
  const [sr, bicubic] = [cut(result.image), cut(resizeBicubic(lr, image.width, image.height))];
  const numbers = {
    psnr: psnrY(sr, hr),
    ssim: ssimY(sr, hr),
    psnrRgb: psnr(sr, hr),
    psnrCbCr: psnrCbCr(sr, hr),
    gmsd: gmsd(sr, hr),
    colourShare: colourShare(sr, bicubic),
    worseBlocks: worseBlocks(sr, bicubic, hr),
    bicubicPsnr: psnrY(bicubic, hr),
    bicubicSsim: ssimY(bicubic, hr),
    bicubicPsnrRgb: psnr(bicubic, hr),
    bicubicPsnrCbCr: psnrCbCr(bicubic, hr),
    bicubicGmsd: gmsd(bicubic, hr),
    colourShareNeeded: colourShare(hr, bicubic),
    similarity: result.similarity,
  };
  return { sr, bicubic, numbers };
}

/** Evaluates and also collects what the callbacks get. */
async function measure(path: string, selection: CaseSelection = {}) {
  const images: Image[] = [];
  const seen: CaseResult[] = [];
  const steps: string[] = [];
  const evaluation = await evaluate(await testDevice(), masa, await findTestData(path), {
    ...selection,
    onImage: ({ name }, image, index) => {
      steps.push(`image ${name}`);
      images[index] = image;
    },
    onCase: (result, done, total) => {
      steps.push(`case ${done}/${total}`);
      seen.push(result);
    },
  });
  expect(seen).to.deep.equal(evaluation.cases);
  return { ...evaluation, images, steps };
}

const withoutTime = ({ milliseconds, name, ...numbers }: CaseResult) => {
  expect(milliseconds).to.be.above(0);
  return numbers;
};

describe("evaluate", () => {
  before(async () => {
    masa = await untrainedMasa(await testDevice(), NETWORK, 3);
  });
  after(() => masa.parameters.dispose());

  const sun80Ref = (ref: Image) => padCentred(ref, 16).image;
  const cases = {
    CUFED5: { multiple: 32, ref: (_: Image, refs: readonly Image[]) => padEnd(refs[1] as Image, 16), level: 2 },
    Sun80: { multiple: 64, ref: (_: Image, refs: readonly Image[]) => sun80Ref(refs[1] as Image), level: 2 },
    Urban100: { multiple: 64, ref: (lr: Image) => lr, level: 1 },
    "pairs.csv": { multiple: 32, ref: (_: Image, refs: readonly Image[]) => padEnd(refs[0] as Image, 16), level: 1 },
  } as const;

  for (const layout of LAYOUTS)
    it(`measures ${layout} by its protocol`, () =>
      inFolder(async (folder) => {
        const [first] = await putLayout(layout, folder);
        const { multiple, ref, level } = cases[layout];
        const measured = await measure(folder, { level, limit: 1 });
        expect([measured.layout, measured.level]).to.deep.equal([layout, level]);
        const { sr, numbers } = await expected(first.hr, multiple, (lr) => ref(lr, first.refs));
        expect(measured.images[0]).to.deep.equal(sr);
        expect(withoutTime(measured.cases[0] as CaseResult)).to.deep.equal(numbers);
      }));

  it("stacks all references of CUFED5", () =>
    inFolder(async (folder) => {
      const [first] = await putLayout("CUFED5", folder);
      const measured = await measure(folder, { level: "all", limit: 1 });
      expect(measured.level).to.equal("all");
      const { numbers } = await expected(first.hr, 32, () => stackReferences(first.refs));
      expect(withoutTime(measured.cases[0] as CaseResult)).to.deep.equal(numbers);
    }));

  it("gives the mean of all cases, and tells of each in turn, image first", () =>
    inFolder(async (folder) => {
      await putLayout("CUFED5", folder);
      const { cases, mean, steps } = await measure(folder);
      expect(steps).to.deep.equal(["image 000_0.png", "case 1/2", "image 001_0.png", "case 2/2"]);
      const [a, b] = cases as [CaseResult, CaseResult];
      expect(a.psnr).not.to.equal(b.psnr);
      const own = ["psnr", "ssim", "psnrRgb", "psnrCbCr", "gmsd", "colourShare", "worseBlocks"] as const;
      const bicubic = ["bicubicPsnr", "bicubicSsim", "bicubicPsnrRgb", "bicubicPsnrCbCr", "bicubicGmsd"] as const;
      const keys = [...own, ...bicubic, "colourShareNeeded", "similarity", "milliseconds"] as const;
      expect(Object.keys(mean).sort()).to.deep.equal([...keys].sort());
      for (const key of keys) expect(mean[key], key).to.be.closeTo((a[key] + b[key]) / 2, 1e-12 * Math.abs(mean[key]));
    }));

  it("measures the bundled photographs: bicubic as Pillow and the official metrics do", async () => {
    // From the table that came with the photographs, computed by Pillow and numpy: 008, 011.
    const table = [27.48, 0.7578, 25.237, 0.6222];
    const { cases } = await measure(EXAMPLES);
    const found = cases.flatMap(({ bicubicPsnr, bicubicSsim }) => [bicubicPsnr, bicubicSsim]);
    for (const [i, value] of table.entries()) expect(found[i]).to.be.closeTo(value, i % 2 === 0 ? 0.0005 : 0.00005);
  });

  it("gives prepared cases the same numbers, again and again, and keeps no GPU memory", async () => {
    const device = await testDevice();
    const data = await findTestData(EXAMPLES);
    const prepared = await prepareCases(data, { limit: 1 });
    const before = device.memory();
    const once = await evaluatePrepared(device, masa, prepared);
    const twice = await evaluatePrepared(device, masa, [...prepared, ...prepared]);
    const whole = await evaluate(device, masa, data, { limit: 1 });
    expect([device.memory().bytes, device.memory().buffers]).to.deep.equal([before.bytes, before.buffers]);
    for (const result of [...twice.cases, ...whole.cases])
      expect(withoutTime(result)).to.deep.equal(withoutTime(once.cases[0] as CaseResult));
    const [{ bicubic, original }] = prepared as [PreparedCase];
    expect(psnrY(bicubic, original)).to.equal(once.mean.bicubicPsnr);
    expect(original).to.deep.equal(await readImage(data.cases[0]?.hr as string));
  });

  it("averages over orientations as upscale does", async () => {
    const device = await testDevice();
    const [test] = (await prepareCases(await findTestData(EXAMPLES), { limit: 1 })) as [PreparedCase];
    const images: Image[] = [];
    const onImage = (_: unknown, image: Image) => void images.push(image);
    const { mean } = await evaluatePrepared(device, masa, [test], { ensemble: 4, onImage });
    const { image } = await upscale(device, masa, { lr: test.lr, refs: [test.ref] }, { ensemble: 4 });
    expect(images).to.deep.equal([image]);
    const alone = await evaluatePrepared(device, masa, [test]);
    expect(mean.psnr).to.equal(psnrY(image, test.original));
    expect(mean.psnr).not.to.equal(alone.mean.psnr);
    expect(mean.similarity).to.equal(alone.mean.similarity);
  });

  it("compiles once for cases of equal sizes", async () => {
    const device = await testDevice();
    const [one] = await prepareCases(await findTestData(EXAMPLES), { limit: 1 });
    const same = one as PreparedCase;
    const wider = padImage(same.ref, { top: 0, bottom: 0, left: 0, right: 16 });
    const other = { ...same, name: "wider", ref: wider, refDown: downscale(wider) };
    const forward = masa.forward.bind(masa);
    let traced = 0;
    masa.forward = (...args) => {
      traced++;
      return forward(...args);
    };
    try {
      await evaluatePrepared(device, masa, [same, same, other, other, same]);
    } finally {
      masa.forward = forward;
    }
    expect(traced).to.equal(3);
  });

  it("gives NaN, and no image, where the network gives no numbers", async () => {
    const device = await testDevice();
    const broken = await untrainedMasa(device, NETWORK);
    const last = broken.parameters.all.at(-1)!;
    broken.parameters.write(last, new Float32Array(last.shape.reduce((a, b) => a * b, 1)).fill(Number.NaN));
    try {
      const prepared = await prepareCases(await findTestData(EXAMPLES), { limit: 1 });
      const onImage = () => expect.fail("there is no image");
      const { cases, mean } = await evaluatePrepared(device, broken, prepared, { onImage });
      const { similarity: _, milliseconds, name, ...scores } = cases[0] as CaseResult;
      for (const [metric, score] of Object.entries(scores)) {
        const depends = !metric.startsWith("bicubic") && metric !== "colourShareNeeded";
        expect(Number.isNaN(score), metric).to.equal(depends);
      }
      expect(mean.psnr).to.deep.equal(Number.NaN);
      expect(mean.bicubicPsnr).to.be.closeTo(27.48, 0.0005);
    } finally {
      broken.parameters.dispose();
    }
  });

  it("stops when told, between cases and within one, and keeps no GPU memory", async () => {
    const device = await testDevice();
    const data = await findTestData(EXAMPLES);
    const before = device.memory().bytes;
    for (const when of ["before", "after the first case", "in the first case"]) {
      const controller = new AbortController();
      const reason = new Error(when);
      const finished: string[] = [];
      if (when === "before") controller.abort(reason);
      const forward = masa.forward.bind(masa);
      masa.forward = (...args) => {
        if (when === "in the first case") setTimeout(() => controller.abort(reason), 5);
        return forward(...args);
      };
      const onCase = ({ name }: CaseResult) => {
        finished.push(name);
        if (when === "after the first case") controller.abort(reason);
      };
      try {
        const run = evaluate(device, masa, data, { signal: controller.signal, onCase });
        expect(await rejection(run)).to.equal(reason);
      } finally {
        masa.forward = forward;
      }
      expect(reason.message).to.equal(when);
      expect(finished).to.have.length(when === "after the first case" ? 1 : 0);
      expect(device.memory().bytes).to.equal(before);
    }
  });

  it("names the images that lack a level", () =>
    inFolder(async (folder) => {
      await putLayout("Sun80", folder);
      const data = await findTestData(folder);
      const { faults } = await failure(
        () => selectCases(data, { level: 2 }),
        DataError,
        /^1 of 2 test images have no reference 2\. Choose one of 1 to 1:\n {2}b\.png has 1$/,
      );
      expect(faults).to.deep.equal(["b.png has 1"]);
      expect(selectCases(data, { level: 2, limit: 1 }).cases[0]?.refs).to.deep.equal([data.cases[0]?.refs[1]]);
      const device = await testDevice();
      await failure(() => evaluate(device, masa, data, { level: 3 }), DataError, /2 of 2 test images/);
      await failure(() => prepareCases(data, { level: 3 }), DataError, /2 of 2 test images/);
    }));

  it("names the case at which it fails, and keeps no GPU memory", () =>
    inFolder(async (folder) => {
      await putLayout("CUFED5", folder);
      await put(noise(9, 520, 16), folder, "001_2.png");
      const data = await findTestData(folder);
      const message = /^001_0\.png: reference 2 of 2 .* is larger than 512×512/;
      await failure(() => prepareCases(data, { level: "all" }), ImageError, message);
      await put(noise(9, 10, 32), folder, "001_0.png");
      await failure(() => prepareCases(data), ImageError, /^001_0\.png: SSIM needs 11×11 pixels, the image has 10×32/);

      const small = await openDevice({ memoryLimit: 2 ** 20 }, { ...nodePlatform, warn: () => {} });
      try {
        const tiny = await untrainedMasa(small, NETWORK);
        const before = small.memory().bytes;
        const files = await findTestData(EXAMPLES);
        await failure(() => evaluate(small, tiny, files), OutOfGpuMemoryError, /^008_0\.png: out of GPU memory/);
        expect(small.memory().bytes).to.equal(before);
      } finally {
        small.dispose();
      }
      expect(join(folder, "001_0.png")).to.equal(data.cases[1]?.hr);
    }));
});
