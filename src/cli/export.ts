/** `masa export`: the network alone, out of a training checkpoint or any other file of weights. */
import { realpath } from "node:fs/promises";
import type { Command } from "commander";
import { addCommand, pathArgument, runCommand, UsageError } from "./command.js";

const EXAMPLES = `
The file has the tensors under their official names and, as metadata, the numbers of the network: everything that
'masa upscale' wants, and a fraction of a training checkpoint, which also holds the optimiser. --half rounds to 16 bits.

Examples:
  masa export --weights runs/rec/checkpoints/best.safetensors --out rec.safetensors
  masa export --weights masa_rec.pth --out masa_rec_half.safetensors --half
`;

interface Options {
  readonly weights: string;
  readonly out: string;
  readonly half?: boolean;
}

export function addExport(program: Command): void {
  addCommand(program, "export", "write the network of a checkpoint as a file of its own")
    .requiredOption("--weights <file>", "a training checkpoint, .pth or .safetensors", pathArgument)
    .requiredOption("--out <file>", "the .safetensors file to write", pathArgument)
    .option("--half", "16 bits for each number instead of 32")
    .addHelpText("after", EXAMPLES)
    .action(runCommand("export", exportFile));
}

async function exportFile(_: AbortSignal, { weights, out, half = false }: Options): Promise<void> {
  const { checkTarget } = await import("../files/atomic.js");
  const { exportMasa } = await import("../train/weights.js");
  if (!out.endsWith(".safetensors")) throw new UsageError(`--out ${out} is no .safetensors file; end its name so`);
  const target = await checkTarget(out);
  if (target === (await realpath(weights).catch(() => "")))
    throw new UsageError(`--out ${out} would replace the weights`);
  const count = await exportMasa(weights, out, half);
  process.stdout.write(`${out} holds ${count.toLocaleString("en-US")} parameters in ${half ? 16 : 32} bits\n`);
}
