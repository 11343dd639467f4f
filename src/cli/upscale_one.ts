/** `masa upscale` of one image. */
import { realpath } from "node:fs/promises";
import type { PlanProgress } from "../graph/plan/plan.js";
import type { Image } from "../image/image.js";
import type { Ensemble } from "../masa/ensemble.js";
import { formatDuration, Progress, SHIPPED, UsageError } from "./command.js";
import { type ProfileOption, reportProfile } from "./profile.js";
import { tuneFirst } from "./tuning.js";

export interface UpscaleArguments {
  readonly lr: string;
  readonly ref: readonly string[];
  readonly out: string;
  readonly weights?: string;
  readonly compare?: string;
  readonly hr?: string;
  readonly half?: boolean;
  readonly ensemble?: Ensemble;
  readonly adapter?: string;
  readonly profile?: ProfileOption;
  readonly tune?: number;
}

/** Reads, enlarges, writes. All files are read and all names checked before the GPU is asked for anything. */
export async function upscaleFiles(options: UpscaleArguments, signal: AbortSignal): Promise<void> {
  const { readPair } = await import("../upscale/batch/pairs.js");
  const { writeImage } = await import("../files/images.js");
  const { resizeVisible } = await import("../image/transparency.js");
  await checkOutputs(options);
  const { lr, refs, hr } = await readPair({ ...options, refs: options.ref });

  const started = performance.now();
  const { image, matched, blocks, similarity } = await enlarge(lr, refs, options, signal);
  const time = formatDuration(performance.now() - started);
  const bicubic = resizeVisible(lr, image.width, image.height);
  signal.throwIfAborted();
  await writeImage(options.out, image);
  if (options.compare) {
    const { writeComparison } = await import("./comparison.js");
    await writeComparison(options.compare, { bicubic, image, matched, ref: refs[0] as Image, hr });
  }
  say("matching", `${blocks} block${blocks === 1 ? "" : "s"}, mean similarity ${similarity.toFixed(3)}`);
  if (hr) say("quality", `${await quality(image, hr)} (bicubic ${await quality(bicubic, hr)})`);
  say("done", `${time} · wrote ${[options.out, options.compare].filter(Boolean).join(", ")}`);
}

/** Refuses names that nothing can be written under, and those of an input or of another output. */
async function checkOutputs({ lr, ref, hr, weights, out, compare, profile }: UpscaleArguments): Promise<void> {
  const { checkImagePath } = await import("../files/images.js");
  const { checkTarget } = await import("../files/atomic.js");
  const inputs = [lr, ...ref, hr, weights].flatMap((path) => path ?? []);
  const taken = new Map<string, string>();
  for (const path of inputs) taken.set(await realpath(path).catch(() => path), path);
  for (const [option, path] of Object.entries({ "--out": out, "--compare": compare, "--profile": profile })) {
    if (path === undefined || path === true) continue;
    try {
      if (option !== "--profile") checkImagePath(path);
    } catch (cause) {
      throw new UsageError(`${option}: ${(cause as Error).message}`, { cause });
    }
    const target = await checkTarget(path);
    const other = taken.get(target);
    if (other !== undefined) throw new UsageError(`${option} ${path} would replace ${other}; give it another name`);
    taken.set(target, path);
  }
}

async function enlarge(lr: Image, refs: readonly Image[], options: UpscaleArguments, signal: AbortSignal) {
  const { weights, half, ensemble, adapter, profile, tune } = options;
  const storage = half ? "f16" : "f32";
  const { openDevice } = await import("../platform/node.js");
  const { formatBytes } = await import("../gpu/errors.js");
  const { Profiler } = await import("../gpu/profiler.js");
  const { upscale, upscaleChoices } = await import("../upscale/upscale.js");
  const { readMasa, SHIPPED_WEIGHTS } = await import("../models/weights.js");
  const network = await readMasa(weights ?? SHIPPED_WEIGHTS);
  const device = await openDevice({ adapter });
  const progress = new Progress();
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
    const onProgress = ({ stage, done, total }: PlanProgress) => progress.update(stage, done, total);
    const profiler = profile && (await Profiler.create(device));
    const result = await upscale(
      device,
      masa,
      { lr, refs },
      { storage, ensemble, signal, onMemory, onProgress, ...(profiler && { profiler }) },
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
