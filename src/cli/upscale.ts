/** `masa upscale`: a low-resolution image and references become an image four times as large; or many do. */
import type { Command } from "commander";
import { IMAGE_NAME, isFolder } from "../data/layouts.js";
import {
  addCommand,
  ensembleOption,
  halfOption,
  pathArgument,
  pathArguments,
  runCommand,
  UsageError,
} from "./command.js";
import { addProfileOption, PROFILE_HELP } from "./profile.js";
import { refuseRanks } from "./ranks.js";
import { tuneOption } from "./tuning.js";
import { type BatchArguments, upscaleMany } from "./upscale_many.js";
import { type UpscaleArguments, upscaleFiles } from "./upscale_one.js";

const EXAMPLES = `
Examples:
  masa upscale --lr photo.png --ref sharp.jpg --out large.png
  masa upscale --lr a.png --ref b.png c.png --out a4.png --weights masa_rec.pth --compare sheet.png
  masa upscale --lr a.png --ref b.png --out a4.png --hr truth.png    prints PSNR and SSIM
  masa upscale --pairs pairs.csv --out large         many pairs, each a line of a list
  masa upscale --lr frames --ref stills --out large  each image of a folder with its namesake in another
  masa upscale --lr frames --ref poster.png --out large    each image of a folder with the same reference

A reference shows similar content sharply: another view, a frame of the same film, a photo of the same kind of thing.
Images: PNG (8, 16 bit, grey, palette, alpha), JPEG, WebP, TIFF. Any sizes. Grey, alpha and 16 bit are kept.

A list begins with the line lr,ref or lr,ref,hr,out: several references are separated by ";", hr and out may be empty, and
names are relative to the list. Results are PNGs named after lr unless out says otherwise. A batch goes on after a file
that cannot be used and ends with 1 then; what is in --out already is not made again, so that the same command goes on
where one was stopped. --out also gets results.csv, with PSNR and SSIM where hr is known.
`;

/** Either `pairs`, or `lr` and `ref`. */
type Options = Partial<UpscaleArguments> & BatchArguments;

export function addUpscale(program: Command): void {
  const command = addCommand(program, "upscale", "enlarge an image four times with the detail of reference images")
    .option("--lr <file>", "the low-resolution image, or a folder of them", pathArgument)
    .option("--ref <file...>", "one or more reference images, or folders with images of the same names", pathArguments)
    .option("--pairs <list.csv>", "instead of --lr and --ref: a list with the columns lr,ref (hr,out)", pathArgument)
    .requiredOption("--out <file>", "the result, whose ending sets the format; of many, their folder", pathArgument)
    .option("--weights <file>", "other weights than the package's, .pth or .safetensors", pathArgument)
    .option(
      "--compare <file>",
      "also write a sheet of bicubic, result and reference, with a part enlarged",
      pathArgument,
    )
    .option("--hr <file>", "the true high-resolution image: prints PSNR and SSIM on Y beside bicubic's", pathArgument)
    .addOption(halfOption())
    .addOption(ensembleOption())
    .option("--overwrite", "of many: also make those again that are in --out")
    .option("--adapter <name>", "part of the GPU adapter's name (default: the environment variable MASA_ADAPTER)");
  tuneOption(command);
  addProfileOption(command, "a second run of the network")
    .addHelpText("after", EXAMPLES + PROFILE_HELP)
    .action(runCommand("upscale", upscaleAny, { shared: true }));
}

/** One image; or many, of a list or a folder. */
async function upscaleAny(signal: AbortSignal, options: Options): Promise<void> {
  const { pairs, lr, ref, hr, out, compare, profile, overwrite, ensemble } = options;
  const many = pairs !== undefined || (lr !== undefined && isFolder(lr));
  const refuse = (given: Readonly<Record<string, unknown>>, reason: string) => {
    const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
    if (name) throw new UsageError(`--${name} ${reason}`);
  };
  if (pairs !== undefined) refuse({ lr, ref, hr }, "does not go with --pairs, whose list names these files");
  else if (lr === undefined) throw new UsageError("required option '--lr <file>' not specified");
  else if (ref === undefined) throw new UsageError("required option '--ref <file...>' not specified");
  if (many) refuse({ compare, profile }, "is for one image; of many, --out gets results.csv");
  if (ensemble !== undefined) refuse({ profile }, "measures one run of the network; leave out --ensemble");
  if (!many) refuse({ overwrite }, "is for many images; the result of one is always replaced");
  if (many && IMAGE_NAME.test(out) && !isFolder(out))
    throw new UsageError(`--out ${out} names an image, and there are many; give a folder`);
  if (!many) await refuseRanks("upscale with one image");
  if (many) await upscaleMany(options, signal);
  else await upscaleFiles(options as UpscaleArguments, signal);
}
