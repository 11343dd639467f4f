/** `masa upscale` of one image. */
import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { OutputError } from "../files/errors.js";
import type { PlanProgress } from "../graph/plan/plan.js";
import type { Image } from "../image/image.js";
import { SCALE } from "../image/pairs.js";
import type { Colour } from "../image/transparency.js";
import type { Ensemble } from "../masa/ensemble.js";
import { formatDuration, SHIPPED, UsageError } from "./command.js";
import { JobProgress } from "./countdown.js";
import { type ProfileOption, reportProfile } from "./profile.js";
import { tuneFirst } from "./tuning.js";

export interface UpscaleArguments extends WriteArguments {
  readonly lr: string;
  readonly ref: readonly string[];
  readonly out: string;
  readonly weights?: string;
  readonly compare?: string;
  readonly hr?: string;
  readonly half?: boolean;
  readonly ensemble?: Ensemble;
  readonly memory?: number;
  readonly adapter?: string;
  readonly profile?: ProfileOption;
  readonly tune?: number;
  readonly overwrite?: boolean;
}

/** How results are written. */
export interface WriteArguments {
  /** Above 1, at most 4. Default 4. */
  readonly scale?: number;
  readonly quality?: number;
  readonly background?: Colour;
  readonly keepGps?: boolean;
}

/** Reads, enlarges, writes. All files are read and all names checked before the GPU is asked for anything. */
export async function upscaleFiles(options: UpscaleArguments, signal: AbortSignal): Promise<void> {
  const { readPair } = await import("../upscale/batch/pairs.js");
  const { checkImagePath, writeImage } = await import("../files/images.js");
  const { makeFolder } = await import("../files/atomic.js");
  const { readMetadata } = await import("../files/metadata.js");
  const { resizeVisible } = await import("../image/transparency.js");
  const { reduceTo } = await import("../upscale/scale.js");
  await checkOutputs(options);
  const { scale = SCALE, lr: source, ref: sources, out, compare } = options;
  const { lr, refs, hr } = await readPair({ lr: source, refs: sources, hr: options.hr }, scale);
  const write = { ...options, metadata: await readMetadata(source) };
  checkImagePath(out, lr, write);
  warnOfExchange(lr, refs);

  const started = performance.now();
  const { blocks, similarity, ...large } = await enlarge(lr, refs, options, signal);
  const time = formatDuration(performance.now() - started);
  const image = reduceTo(large.image, lr, scale);
  const bicubic = resizeVisible(lr, image.width, image.height);
  signal.throwIfAborted();
  for (const path of [out, compare]) if (path) await makeFolder(dirname(path));
  await writeImage(out, image, write);
  const matching = `${blocks} block${blocks === 1 ? "" : "s"}, mean similarity ${similarity.toFixed(3)}`;
  if (compare && "matched" in large) {
    const matched = reduceTo(large.matched, lr, scale);
    const { writeComparison } = await import("./comparison.js");
    const note = `${basename(source)}, ${lr.width}×${lr.height} → ${image.width}×${image.height}; ${matching}.`;
    await writeComparison(compare, note, { bicubic, image, matched, ref: refs[0] as Image, hr });
  }
  say("matching", `${matching} ${SIMILARITY}`);
  if (hr) say("quality", `${await quality(image, hr)} (bicubic ${await quality(bicubic, hr)})`);
  say("done", `${time} · wrote ${[out, compare].filter(Boolean).join(", ")}`);
}

/** Explains the number where it is printed; docs/results.md has the means over our test images. */
const SIMILARITY = "(1 is a perfect match; similar references reach about 0.9, unrelated ones 0.8)";

/** Says so where the image to be enlarged is larger than every reference: it happens that they are swapped. */
function warnOfExchange(lr: Image, refs: readonly Image[]): void {
  const size = ({ width, height }: Image) => `${width}×${height}`;
  const [first] = refs;
  if (!first || refs.some(({ width, height }) => width * height >= lr.width * lr.height)) return;
  process.stderr.write(
    `masa upscale: the image to be enlarged (${size(lr)}) is larger than its reference (${size(first)}); are they swapped?\n`,
  );
}

/** Refuses names that nothing can be written under, those of an input or of another output, and files that exist. */
async function checkOutputs(options: UpscaleArguments): Promise<void> {
  const { lr, ref, hr, weights, out, compare, profile, overwrite = false } = options;
  const { checkImagePath } = await import("../files/images.js");
  const { checkTarget } = await import("../files/atomic.js");
  const { isPage } = await import("./comparison.js");
  const inputs = [lr, ...ref, hr, weights].flatMap((path) => path ?? []);
  const taken = new Map<string, string>();
  for (const path of inputs) taken.set(await realpath(path).catch(() => path), path);
  for (const [option, path] of Object.entries({ "--out": out, "--compare": compare, "--profile": profile })) {
    if (path === undefined || path === true) continue;
    try {
      if (option === "--out" || (option === "--compare" && !isPage(path))) checkImagePath(path);
    } catch (cause) {
      throw new UsageError(`${option}: ${(cause as Error).message}`, { cause });
    }
    const target = await checkTarget(path, { parents: option !== "--profile" });
    const other = taken.get(target);
    if (other !== undefined) throw new UsageError(`${option} ${path} would replace ${other}; give it another name`);
    if (!overwrite && option !== "--profile" && existsSync(target))
      throw new OutputError(`${path} exists already`, "Give another name, or --overwrite to replace it");
    taken.set(target, path);
  }
}

async function enlarge(lr: Image, refs: readonly Image[], options: UpscaleArguments, signal: AbortSignal) {
  const { weights, half, ensemble, memory, adapter, profile, tune } = options;
  const storage = half ? "f16" : "f32";
  const { openDevice } = await import("../platform/node.js");
  const { formatBytes } = await import("../gpu/errors.js");
  const { Profiler } = await import("../gpu/profiler.js");
  const { upscale, upscaleChoices } = await import("../upscale/run.js");
  const { readMasa, SHIPPED_WEIGHTS } = await import("../models/load.js");
  const network = await readMasa(weights ?? SHIPPED_WEIGHTS);
  const device = await openDevice({ adapter });
  const progress = new JobProgress();
  try {
    say("adapter", device.info.name);
    signal.throwIfAborted();
    const masa = await network(device);
    say("weights", weights ?? SHIPPED);
    if (tune) await tuneFirst(device, upscaleChoices(device, masa, { lr, refs }, storage), tune, signal);
    let most = 0;
    const onMemory = (bytes: number) => {
      const all = bytes + device.memory().bytes;
      if (all > most) say("memory", `${formatBytes(all)} of GPU memory`);
      most = Math.max(most, all);
    };
    const onProgress = ({ stage, share }: PlanProgress) => progress.update(stage, share);
    const profiler = profile && (await Profiler.create(device));
    const result = await upscale(
      device,
      masa,
      { lr, refs },
      {
        storage,
        ensemble,
        memory,
        matches: options.compare !== undefined,
        signal,
        onMemory,
        onWindows: ({ windows, haloShare }) =>
          say("windows", `${windows}; halos are ${(100 * haloShare).toFixed(1)} % of the work`),
        onProgress,
        ...(profiler && { profiler }),
      },
    );
    progress.stop();
    if (profiler) await reportProfile(profiler, profile);
    return result;
  } finally {
    progress.stop();
    device.dispose();
  }
}

async function quality(image: Image, hr: Image): Promise<string> {
  const { psnrY, SSIM_WINDOW, ssimY } = await import("../image/metrics.js");
  const small = Math.min(hr.width, hr.height) < SSIM_WINDOW;
  return formatQuality(psnrY(image, hr), small ? undefined : ssimY(image, hr));
}

export function formatQuality(psnr: number, ssim: number | undefined): string {
  return `PSNR-Y ${psnr.toFixed(2)} dB${ssim === undefined ? "" : `, SSIM-Y ${ssim.toFixed(4)}`}`;
}

/** A line of the report. */
export function say(what: string, text: string): void {
  process.stdout.write(`${what.padEnd(9)} ${text}\n`);
}
