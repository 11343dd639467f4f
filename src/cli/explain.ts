/** `masa explain`: pictures that show why a result is what it is, and a dump of every layer for who ports the network. */
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import type { HostTensor, PlanProgress } from "../graph/plan/plan.js";
import { ImageError } from "../image/errors.js";
import {
  addCommand,
  Progress,
  pathArgument,
  pathArguments,
  print,
  runCommand,
  SHIPPED,
  UsageError,
} from "./command.js";
import { conditionsOf } from "./conditions.js";

const EXAMPLES = `
The folder gets an index.html with: lines from blocks of the image to where the reference shows the same; a colour for each
pixel's match; its similarity; the reference as it was matched beside the result; and the statistics of the features before
and after their adaptation. explain.json has the numbers.

--dump writes every layer as safetensors, in the network's layout (N, C, H, W; images BGR, 0 to 1): lr, ref, ref_down, out,
enc(lr)/L1 …, coarse_index, window_x1, window_y1, fine_index, fine_score, warp_ref/x4 …, pAda/x1 …, decoder.blk_x1 …, the
names of the golden cases. A port compares layer by layer and finds the first that differs.

Examples:
  masa explain --lr photo.png --ref sharp.jpg --out why
  masa explain --lr lr.png --ref ref.png --hr truth.png --weights w.pth --out why --dump why/layers.safetensors
`;

interface Options {
  readonly lr: string;
  readonly ref: readonly string[];
  readonly out: string;
  readonly weights?: string;
  readonly hr?: string;
  readonly dump?: string;
  readonly adapter?: string;
}

export function addExplain(program: Command): void {
  addCommand(program, "explain", "show what the network matched and what it made of it")
    .requiredOption("--lr <file>", "the low-resolution image", pathArgument)
    .requiredOption("--ref <file...>", "one or more reference images", pathArguments)
    .requiredOption("--out <folder>", "where the pictures go", pathArgument)
    .option("--weights <file>", "other weights than the package's, .pth or .safetensors", pathArgument)
    .option("--hr <file>", "the true high-resolution image, to be shown beside the result", pathArgument)
    .option("--dump <file>", "also write every layer, as .safetensors", pathArgument)
    .option("--adapter <name>", "part of the GPU adapter's name (default: the environment variable MASA_ADAPTER)")
    .addHelpText("after", EXAMPLES)
    .action(runCommand("explain", explainFiles));
}

/** All files are read and all names checked before the GPU is asked for anything. */
async function explainFiles(signal: AbortSignal, options: Options): Promise<void> {
  const { readImage } = await import("../files/images.js");
  const { explained } = await import("../reproduce/explain.js");
  const { writeResult } = await import("../reproduce/write.js");
  const lr = await readImage(options.lr);
  const refs = await Promise.all(options.ref.map((path) => readImage(path)));
  const hr = options.hr ? await readImage(options.hr) : undefined;
  if (hr && (hr.width !== 4 * lr.width || hr.height !== 4 * lr.height))
    throw new ImageError(
      `${options.hr} is ${hr.width}×${hr.height}, the result is ${4 * lr.width}×${4 * lr.height}`,
      `Give the image that ${options.lr} was made from`,
    );
  await checkOutputs(options);
  const { explanation, adapter, network } = await run(options, { lr, refs }, signal);
  signal.throwIfAborted();
  await writeResult(options.out, await explained({ explanation, hr, network }), conditionsOf(adapter));
  if (options.dump) await writeDump(options.dump, explanation.layers);
  print(`wrote     ${[join(options.out, "index.html"), options.dump].filter(Boolean).join(", ")}`);
}

async function checkOutputs({ lr, ref, hr, weights, out, dump }: Options): Promise<void> {
  const { checkTarget, makeFolder } = await import("../files/atomic.js");
  if (dump !== undefined && !dump.endsWith(".safetensors"))
    throw new UsageError(`--dump ${dump}: layers are written as .safetensors; give it that ending`);
  await makeFolder(out);
  await checkTarget(join(out, "index.html"));
  if (dump === undefined) return;
  const target = await checkTarget(dump);
  for (const path of [lr, ...ref, hr, weights].flatMap((path) => path ?? []))
    if ((await realpath(path).catch(() => path)) === target)
      throw new UsageError(`--dump ${dump} would replace ${path}; give it another name`);
}

async function run(
  { weights, adapter, dump }: Options,
  request: import("../upscale/prepare.js").UpscaleRequest,
  signal: AbortSignal,
) {
  const { openDevice } = await import("../platform/node.js");
  const { explain } = await import("../upscale/explain.js");
  const { readMasa, SHIPPED_WEIGHTS } = await import("../models/load.js");
  const network = await readMasa(weights ?? SHIPPED_WEIGHTS);
  const device = await openDevice({ adapter });
  const progress = new Progress();
  try {
    print(`adapter   ${device.info.name}`);
    signal.throwIfAborted();
    const masa = await network(device);
    const onProgress = ({ stage, done, total }: PlanProgress) => progress.update(stage, done, total);
    const explanation = await explain(device, masa, request, { layers: dump !== undefined, onProgress, signal });
    const { channels, adaptation } = masa.config;
    const about = `Weights: ${weights ?? SHIPPED}; ${channels} channels, adaptation ${adaptation}`;
    return { explanation, adapter: device.info.name, network: about };
  } finally {
    progress.stop();
    device.dispose();
  }
}

/** Indices are I32, all else F32. */
async function writeDump(path: string, layers: ReadonlyMap<string, HostTensor>): Promise<void> {
  const { writeSafetensors } = await import("../files/safetensors.js");
  const { FileTensor } = await import("../formats/tensor.js");
  const tensors = [...layers].map(([name, { shape, data }]) => {
    const tensor =
      data instanceof Float32Array
        ? FileTensor.of("F32", shape, data)
        : FileTensor.of("I32", shape, data as Int32Array);
    return [name, tensor] as const;
  });
  await writeSafetensors(path, new Map(tensors));
}
