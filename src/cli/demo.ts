/** `masa demo`: the upscale command on the bundled pair. */
import { rmdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { makeFolder } from "../files/atomic.js";
import { addCommand, pathArgument, runCommand } from "./command.js";
import { addProfileOption, PROFILE_HELP, type ProfileOption } from "./profile.js";
import { upscaleFiles } from "./upscale_one.js";

const DATA = new URL("../../../examples/data/", import.meta.url);

const EXAMPLES = `
Examples:
  masa demo                            with the weights of the package
  masa demo --weights masa_rec.pth     with official ones
`;

interface Options {
  readonly out: string;
  readonly weights?: string;
  readonly profile?: ProfileOption;
}

export function addDemo(program: Command): void {
  const command = addCommand(program, "demo", "enlarge the bundled photograph of an aloe with another view of it")
    .option("--out <folder>", "where the pictures go", pathArgument, "out")
    .option("--weights <file>", "other weights than the package's, .pth or .safetensors", pathArgument);
  addProfileOption(command, "a second run of the network")
    .addHelpText("after", EXAMPLES + PROFILE_HELP)
    .action(
      runCommand("demo", async (signal, { out, ...options }: Options) => {
        const made = await makeFolder(out);
        const file = (name: string) => fileURLToPath(new URL(`aloe_${name}.png`, DATA));
        process.stdout.write("pair      examples/data/aloe_lr.png 80×80 + aloe_ref.png 320×320 → 320×320\n");
        try {
          await upscaleFiles(
            {
              lr: file("lr"),
              ref: [file("ref")],
              hr: file("hr"),
              out: `${out}/aloe.png`,
              compare: `${out}/aloe_compare.png`,
              overwrite: true,
              ...options,
            },
            signal,
          );
        } catch (error) {
          if (made) await rmdir(out).catch(() => {});
          throw error;
        }
      }),
    );
}
