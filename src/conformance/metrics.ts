/** PSNR, SSIM, colour conversion, Pillow's resampling and the preparation of data sets; no GPU is involved. */
import { createHash } from "node:crypto";
import { createImage, fromTensor, type Image } from "../image/image.js";
import { psnr, psnrY, ssim, ssimY } from "../image/metrics.js";
import { testPair, testPairMulti, trainPair } from "../image/pairs.js";
import { resizeBicubic } from "../image/resize.js";
import { toYcbcr8, toYcbcrFloat } from "../image/ycbcr.js";
import { check, compareEqual, compareValues, largestDifference } from "./compare.js";
import { type Entry, UnsupportedError } from "./entry.js";
import { buildTensor } from "./formula.js";
import type { Trial } from "./trial.js";

const OPS: Readonly<Record<string, (trial: Trial) => Promise<void>>> = {
  metrics: comparePairs,
  bgr2ycbcr: compareYcbcr,
  tensor2img: compareImageOfTensor,
  resize: compareResizes,
  dataset: compareDataset,
};

export async function runMetrics(trial: Trial): Promise<void> {
  const run = OPS[trial.golden.op];
  if (!run) throw new UnsupportedError(`metrics has no op ${trial.golden.op}`);
  await run(trial);
}

async function comparePairs({ entry, set, checks }: Trial): Promise<void> {
  const measures = { psnr_y: psnrY, ssim_y: ssimY, psnr_bgr: psnr, ssim_bgr: ssim };
  const tolerance = entry.entry("tol");
  for (const pair of entry.list("pairs")) {
    const image = await set.image(pair.text("image"));
    const reference = await set.image(pair.text("reference"));
    for (const [name, measure] of Object.entries(measures)) {
      if (!pair.has(name)) continue;
      const want = pair.value[name] === "Infinity" ? Number.POSITIVE_INFINITY : pair.number(name);
      const error = largestDifference([measure(image, reference)], [want]);
      const kind = name.split("_")[0]!;
      checks.push(check(`${name} of ${pair.text("image")}`, "max", error, tolerance.number(kind)));
    }
  }
}

/** The input is [H, W, (B, G, R)] of 0…255. */
async function compareYcbcr(trial: Trial): Promise<void> {
  const { shape, data } = buildTensor(trial.entry.entry("inputs").entry("img"));
  const [height = 1, width = 1] = shape;
  const rgb = Uint8Array.from(data, (_, i) => data[i - (i % 3) + 2 - (i % 3)]!);
  const image = createImage(width, height, 3, 8, rgb);
  const got: Record<string, ArrayLike<number>> = { uint8: toYcbcr8(image), float: toYcbcrFloat(image) };
  for (const [name, spec] of trial.entry.entries("outputs")) {
    const [components = "", kind = ""] = name.split("_");
    const all = got[kind];
    const values = all && components === "y" ? Array.from({ length: width * height }, (_, i) => all[3 * i]!) : all;
    await compareNoted(trial, name, spec, values);
  }
}

/** These outputs have their tolerance in a note; where there is none, they are integers. */
async function compareNoted(trial: Trial, name: string, spec: Entry, got: ArrayLike<number> | undefined) {
  const noted = /tolerance ([\d.e+-]+\d)/.exec(spec.text("note", ""))?.[1];
  if (noted === undefined) await trial.compare(name, spec, got);
  else trial.checks.push(...compareValues(name, got, await trial.values(spec), { absolute: Number(noted) }));
}

async function compareImageOfTensor(trial: Trial): Promise<void> {
  const { shape, data } = buildTensor(trial.entry.entry("inputs").entry("img"));
  const [, height = 1, width = 1] = shape;
  const outputs = trial.entry.entry("outputs");
  const image = fromTensor(data as Float32Array, width, height);
  if (outputs.has("img")) await trial.compare("img", outputs.entry("img"), image.data);
  if (!outputs.has("halves")) return;
  const halves = outputs.entry("halves");
  const [count = 0] = halves.shape();
  // A grey ramp: three equal channels, one column a value.
  const ramp = Float32Array.from({ length: 3 * count }, (_, i) => ((i % count) + 0.5) / 255);
  const rounded = fromTensor(ramp, count, 1).data.filter((_, i) => i % 3 === 0);
  await trial.compare("halves", halves, rounded);
}

async function compareResizes({ entry, set, checks }: Trial): Promise<void> {
  for (const resize of entry.list("resizes")) {
    const [width = 0, height = 0] = resize.numbers("size_wh");
    const got = resizeBicubic(await set.image(resize.text("input")), width, height);
    const output = resize.text("output");
    checks.push(compareEqual(output, got.data, (await set.image(output)).data));
  }
}

/** The official names of prepared images. */
type Prepared = Readonly<Record<string, Image>>;

async function compareDataset(trial: Trial): Promise<void> {
  const { entry, set, checks } = trial;
  const { images, padding } = await prepare(trial);
  const image = (name: string) => {
    const found = images[name];
    if (!found) throw new UnsupportedError(`a prepared pair has no image ${name}`);
    return found;
  };
  const outputs = entry.entry("outputs");
  for (const name of outputs.keys) {
    checks.push(compareEqual(name, image(name).data, (await set.image(outputs.text(name))).data));
  }
  if (entry.has("pad_nums_tdlr")) checks.push(compareEqual("pad_nums_tdlr", padding, entry.numbers("pad_nums_tdlr")));
  if (entry.has("shapes")) {
    const shapes = entry.entry("shapes");
    for (const name of shapes.keys) {
      const { height, width, channels } = image(name);
      checks.push(compareEqual(`${name} shape`, [height, width, channels], shapes.shape(name)));
    }
  }
  if (entry.has("sha256")) {
    const sums = entry.entry("sha256");
    for (const name of sums.keys) {
      const sum = createHash("sha256").update(image(name).data).digest("hex");
      checks.push(check(`${name} sha256`, "differing", sum === sums.text(name) ? 0 : 1, 0));
    }
  }
}

/** The official sets: with padding numbers TestSet, with several references TestSet_multi, else TrainSet. */
async function prepare({ entry, set }: Trial): Promise<{ images: Prepared; padding: number[] }> {
  const inputs = entry.entry("inputs");
  const hr = await set.image(inputs.text("hr"));
  const names = inputs.has("refs") ? inputs.texts("refs") : [inputs.text("ref")];
  const refs = await Promise.all(names.map((name) => set.image(name)));
  if (!entry.has("pad_nums_tdlr")) {
    const pair = trainPair(hr, refs[0]!);
    return { images: { HR: pair.hr, LR: pair.lr, Ref: pair.ref, Ref_down: pair.refDown }, padding: [] };
  }
  const pair = inputs.has("refs") ? testPairMulti(hr, refs) : testPair(hr, refs[0]!);
  const { top, bottom, left, right } = pair.padding;
  return {
    images: {
      HR_pad: pair.hr,
      LR: resizeBicubic(hr, Math.floor(hr.width / 4), Math.floor(hr.height / 4)),
      LR_pad: pair.lr,
      Ref: pair.ref,
      Ref_down: pair.refDown,
    },
    padding: [top, bottom, left, right],
  };
}
