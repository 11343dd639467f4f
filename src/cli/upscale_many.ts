/** `masa upscale` of a list or of folders. */
import type { BatchPair } from "../upscale/batch/pairs.js";
import type { BatchSummary } from "../upscale/batch/run.js";
import { formatDuration, SHIPPED } from "./command.js";
import { Countdown } from "./countdown.js";
import { openRankDevice, workforce } from "./ranks.js";
import { tuneFirst } from "./tuning.js";
import { formatQuality, say, type UpscaleArguments, type WriteArguments } from "./upscale_one.js";

/** How many failures are listed; results.csv has all. */
const LISTED = 20;

/** Either `pairs`, the list, or `lr` and `ref`. */
export interface BatchArguments
  extends WriteArguments,
    Pick<UpscaleArguments, "out" | "hr" | "weights" | "half" | "ensemble" | "memory" | "adapter" | "tune"> {
  readonly pairs?: string;
  readonly lr?: string;
  readonly ref?: readonly string[];
  readonly overwrite?: boolean;
}

/** Names are checked and weights read before the GPU is asked for anything. */
export async function upscaleMany(options: BatchArguments, signal: AbortSignal): Promise<void> {
  const { divide, upscaleBatch } = await import("../upscale/batch/run.js");
  const { readMasa, SHIPPED_WEIGHTS } = await import("../models/load.js");
  const { out, weights, overwrite = false } = options;
  const pairs = await findPairs(options);
  const { ready, todo } = divide(out, pairs);
  const network = await readMasa(weights ?? SHIPPED_WEIGHTS);
  const kept = ready.length > 0 && !overwrite ? `, ${ready.length} of them in ${out} already` : "";
  say("pairs", `${pairs.length}${kept}`);

  const countdown = new Countdown("image");
  const started = performance.now();
  let finished = ready.length;
  try {
    const summary = await upscaleBatch(out, pairs, {
      ...{ overwrite, signal, scale: options.scale, write: options, workforce: await workforce() },
      open: () => openUpscaler(options, network, overwrite ? pairs : todo, signal),
      onPair: (done, row) => {
        finished = done;
        countdown.update(done, pairs.length, row ? [row.out] : []);
      },
    });
    countdown.stop();
    report(summary, formatDuration(performance.now() - started));
    const { failed } = summary;
    if (failed.length > 0)
      throw new Error(
        `${failed.length} of ${counted(pairs.length, "image")} failed; the same command tries them again`,
      );
  } catch (error) {
    countdown.stop();
    if (signal.aborted) say("stopped", `${finished} of ${pairs.length} images are done; the same command goes on`);
    throw error;
  }
}

async function findPairs({ pairs: list, lr, ref, hr, out }: BatchArguments): Promise<BatchPair[]> {
  const { checkResults, pairsOfFolders, pairsOfList } = await import("../upscale/batch/pairs.js");
  const { pairs, unused } =
    list === undefined
      ? { pairs: await pairsOfFolders(lr as string, ref as readonly string[], hr), unused: [] }
      : await pairsOfList(list);
  checkResults(out, pairs);
  if (list === undefined) {
    const { skippedIn } = await import("../data/layouts.js");
    const skipped = await skippedIn(lr as string);
    const listed = `${skipped.slice(0, LISTED).join(", ")}${skipped.length > LISTED ? ", …" : ""}`;
    if (skipped.length > 0) say("skipped", `${counted(skipped.length, "file")} that are not read here: ${listed}`);
  }
  if (unused.length > 0) say("list", `columns without meaning here: ${unused.join(", ")}`);
  return pairs;
}

type ReadNetwork = Awaited<ReturnType<typeof import("../models/load.js").readMasa>>;

async function openUpscaler(
  { adapter, half, ensemble, memory, tune, weights }: BatchArguments,
  network: ReadNetwork,
  [first]: readonly BatchPair[],
  signal: AbortSignal,
) {
  const { readPair } = await import("../upscale/batch/pairs.js");
  const { Upscaler, upscaleChoices } = await import("../upscale/run.js");
  const device = await openRankDevice(adapter);
  try {
    const masa = await network(device);
    say("adapter", device.info.name);
    say("weights", weights ?? SHIPPED);
    const storage = half ? "f16" : "f32";
    if (tune && first)
      await tuneFirst(device, upscaleChoices(device, masa, await readPair(first), storage), tune, signal);
    return new Upscaler(device, masa, { storage, ensemble, memory });
  } catch (error) {
    device.dispose();
    throw error;
  }
}

/** "1 image", "2 images". */
function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

function report({ done, skipped, failed, measured, table }: BatchSummary, time: string): void {
  if (measured.length > 0) {
    const mean = (column: "psnr" | "ssim" | "bicubic_psnr" | "bicubic_ssim") => {
      const values = measured.flatMap((row) =>
        row[column] === undefined || row[column] === "" ? [] : Number(row[column]),
      );
      return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined;
    };
    const quality = formatQuality(mean("psnr") as number, mean("ssim"));
    const bicubic = formatQuality(mean("bicubic_psnr") as number, mean("bicubic_ssim"));
    say("quality", `mean of ${measured.length}: ${quality} (bicubic ${bicubic})`);
  }
  for (const { lr, error } of failed.slice(0, LISTED))
    say("failed", `${error}`.includes(`${lr}`) ? `${error}` : `${lr}: ${error}`);
  if (failed.length > LISTED) say("", `and ${failed.length - LISTED} more`);
  const others = [skipped > 0 ? `, ${skipped} skipped` : "", failed.length > 0 ? `, ${failed.length} failed` : ""];
  say("done", `${counted(done, "image")} in ${time}${others.join("")} · ${table}`);
}
