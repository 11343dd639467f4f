/** `masa export`: the network alone, out of a training checkpoint or any other file of weights. */
import { realpath } from "node:fs/promises";
import { type Command, Option } from "commander";
import { addCommand, imageSize, pathArgument, runCommand, UsageError } from "./command.js";

const EXAMPLES = `
--out writes the tensors under their official names. A .safetensors file also has, as metadata, the numbers of the
network: everything that 'masa upscale' wants, and a fraction of a training checkpoint, which also holds the optimiser.
A .pth file is a state dict for torch.load (PyTorch 1.6 and later). --half rounds either to 16 bits.

--onnx writes all that the network computes, matching included, as standard ONNX operators (opset 18) for images of the
given sizes: inputs lr, ref and refDown (the reference at a quarter, by Pillow's bicubic), output sr; each [1, 3, H, W],
BGR, 0 to 1.

Examples:
  masa export --weights runs/rec/checkpoints/best.safetensors --out rec.safetensors
  masa export --weights masa_rec.pth --out masa_rec_half.safetensors --half
  masa export --weights runs/rec/checkpoints/best.safetensors --out rec.pth
  masa export --weights rec.safetensors --onnx rec.onnx --lr 120x160 --ref 480x640
`;

interface Options {
  readonly weights: string;
  readonly out?: string;
  readonly onnx?: string;
  readonly half?: boolean;
  readonly lr: readonly [number, number];
  readonly ref: readonly [number, number];
}

export function addExport(program: Command): void {
  addCommand(program, "export", "write the network of a checkpoint as a file of its own")
    .requiredOption("--weights <file>", "a training checkpoint, .pth or .safetensors", pathArgument)
    .option("--out <file>", "the .safetensors or .pth file to write", pathArgument)
    .option("--half", "16 bits for each number of --out instead of 32")
    .option("--onnx <file>", "the .onnx file to write", pathArgument)
    .addOption(sizeOption("--lr", "height and width of the ONNX model's low-resolution image", 40))
    .addOption(sizeOption("--ref", "height and width of its reference, multiples of 4", 160))
    .addHelpText("after", EXAMPLES)
    .action(runCommand("export", exportFiles));
}

function sizeOption(name: string, description: string, side: number): Option {
  const option = new Option(`${name} <HxW>`, description).default([side, side], `${side}x${side}`);
  return option.argParser(imageSize);
}

async function exportFiles(_: AbortSignal, { weights, out, onnx, half = false, ...sizes }: Options): Promise<void> {
  const { exportMasa, exportOnnx } = await import("../models/export.js");
  if (out === undefined && onnx === undefined) throw new UsageError("nothing is to be written; give --out or --onnx");
  if (half && out === undefined) throw new UsageError("--half is for --out; an ONNX model has 32 bits");
  await checkOutput("--out", out, [".safetensors", ".pth"], weights);
  await checkOutput("--onnx", onnx, [".onnx"], weights);
  if (out !== undefined) {
    const count = await exportMasa(weights, out, half);
    process.stdout.write(`${out} holds ${count.toLocaleString("en-US")} parameters in ${half ? 16 : 32} bits\n`);
  }
  if (onnx !== undefined) {
    const count = await exportOnnx(weights, onnx, sizes);
    const [lr, ref] = [sizes.lr, sizes.ref].map((size) => size.join("×"));
    process.stdout.write(
      `${onnx} enlarges ${lr} pixels by a reference of ${ref}, with ${count.toLocaleString("en-US")} parameters\n`,
    );
  }
}

async function checkOutput(option: string, path: string | undefined, endings: string[], weights: string) {
  if (path === undefined) return;
  const { checkTarget } = await import("../files/atomic.js");
  if (!endings.some((ending) => path.endsWith(ending)))
    throw new UsageError(`${option} ${path} is no ${endings.join(" or ")} file; end its name so`);
  const target = await checkTarget(path);
  if (target === (await realpath(weights).catch(() => "")))
    throw new UsageError(`${option} ${path} would replace the weights`);
}
