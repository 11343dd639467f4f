/** `masa upscale`: a low-resolution image and references become an image four times as large; or many do. */
import { dirname, join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { IMAGE_NAME, isFolder } from "../data/layouts.js";
import { stemOf } from "../data/names.js";
import { ImageError } from "../image/errors.js";
import { SCALE } from "../image/pairs.js";
import { type Colour, parseColour } from "../image/transparency.js";
import {
  addCommand,
  ensembleOption,
  halfOption,
  memoryOption,
  numberWithin,
  pathArgument,
  pathArguments,
  runCommand,
  UsageError,
  unexpected,
  wholeBetween,
} from "./command.js";
import { addProfileOption, PROFILE_HELP } from "./profile.js";
import { refuseRanks } from "./ranks.js";
import { tuneOption } from "./tuning.js";
import { type BatchArguments, upscaleMany } from "./upscale_many.js";
import { type UpscaleArguments, upscaleFiles } from "./upscale_one.js";

const EXAMPLES = `
Examples:
  masa upscale photo.jpg sharp.jpg                   writes photo_x4.png
  masa upscale --lr photo.png --ref sharp.jpg --out large.png
  masa upscale --lr a.png --ref b.png c.png --out a4.png --weights masa_rec.pth --compare sheet.png
  masa upscale --lr a.png --ref b.png --out a2.jpg --scale 2 --quality 90 --compare slider.html
  masa upscale --lr a.png --ref b.png --out a4.png --hr truth.png    prints PSNR and SSIM
  masa upscale --pairs pairs.csv --out large         many pairs, each a line of a list
  masa upscale --lr frames --ref stills --out large  each image of a folder with its namesake in another
  masa upscale --lr frames --ref poster.png --out large    each image of a folder with the same reference

A reference shows similar content sharply: another view, a frame of the same film, a photo of the same kind of thing.
Images: PNG (8, 16 bit, grey, palette, alpha), JPEG, WebP, TIFF, AVIF, GIF. Any sizes. Grey, alpha and 16 bit are kept.
Colour profiles are converted to sRGB, EXIF orientation is applied, and EXIF (in PNG, JPEG, WebP), XMP and resolution go into
the result; the GPS position only with --keep-gps.

A list begins with the line lr,ref or lr,ref,hr,out: several references are separated by ";", hr and out may be empty, and
names are relative to the list. Results are PNGs named after lr unless out says otherwise. A batch goes on after a file
that cannot be used and ends with 1 then; what is in --out already is not made again, so that the same command goes on
where one was stopped. --out also gets results.csv, with PSNR and SSIM where hr is known.
`;

/** Either `pairs`, or `lr` and `ref`. */
type Options = Partial<UpscaleArguments> & Omit<BatchArguments, "out">;

export function addUpscale(program: Command): void {
  const command = addCommand(program, "upscale", "enlarge an image four times with the detail of reference images")
    .argument("[image-and-reference...]", "the low-resolution image and its reference, instead of --lr and --ref")
    .option("--lr <file>", "the low-resolution image, or a folder of them", pathArgument)
    .option("--ref <file...>", "one or more reference images, or folders with images of the same names", pathArguments)
    .option("--pairs <list.csv>", "instead of --lr and --ref: a list with the columns lr,ref (hr,out)", pathArgument)
    .option(
      "--out <file>",
      "the result, whose ending sets the format (default: NAME_x4.png beside the image); of many, their folder",
      pathArgument,
    )
    .option("--scale <factor>", "enlarge by less: 2, 3 or any factor up to 4", numberWithin(1, SCALE))
    .option("--weights <file>", "other weights than the package's, .pth or .safetensors", pathArgument)
    .option(
      "--compare <file>",
      "also write a sheet of bicubic, result and reference, or a page with a slider (.html)",
      pathArgument,
    )
    .option("--hr <file>", "the true high-resolution image: prints PSNR and SSIM on Y beside bicubic's", pathArgument)
    .option("--quality <1-100>", "of JPEG (default 95) and WebP (default lossless)", wholeBetween(1, 100))
    .option("--background <colour>", "lay transparent images on white, black, grey or #rrggbb", colour)
    .option("--keep-gps", "keep where the picture was taken; all other metadata are always kept")
    .addOption(halfOption())
    .addOption(memoryOption())
    .addOption(ensembleOption())
    .option("--overwrite", "replace results that exist")
    .option("--adapter <name>", "part of the GPU adapter's name (default: the environment variable MASA_ADAPTER)");
  tuneOption(command);
  addProfileOption(command, "a second run of the network")
    .addHelpText("after", EXAMPLES + PROFILE_HELP)
    .action(runCommand("upscale", upscaleAny, { shared: true }));
}

function colour(text: string): Colour {
  try {
    return parseColour(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof ImageError ? error.advice : String(error));
  }
}

/** One image; or many, of a list or a folder. */
async function upscaleAny(signal: AbortSignal, images: readonly string[], given: Options): Promise<void> {
  const mistakes: string[] = [];
  const options = withImages(given, images, mistakes);
  const { pairs, lr, ref, hr, out, compare, profile, ensemble } = options;
  const many = pairs !== undefined || (lr !== undefined && isFolder(lr));
  const refuse = (unwanted: Readonly<Record<string, unknown>>, reason: string) => {
    for (const [name, value] of Object.entries(unwanted)) if (value !== undefined) mistakes.push(`--${name} ${reason}`);
  };
  if (pairs !== undefined) refuse({ lr, ref, hr }, "does not go with --pairs, whose list names these files");
  else {
    if (lr === undefined) mistakes.push("required option '--lr <file>' not specified");
    if (ref === undefined) mistakes.push("required option '--ref <file...>' not specified");
  }
  if (many) refuse({ compare, profile }, "is for one image; of many, --out gets results.csv");
  if (ensemble !== undefined) refuse({ profile }, "measures one run of the network; leave out --ensemble");
  if (many && out === undefined) mistakes.push("required option '--out <folder>' not specified");
  if (many && out !== undefined && IMAGE_NAME.test(out) && !isFolder(out))
    mistakes.push(`--out ${out} names an image, and there are many; give a folder`);
  if (mistakes.length > 0) throw new UsageError(mistakes.join("\nmasa upscale: "));
  if (many) return upscaleMany(options as BatchArguments, signal);
  await refuseRanks("upscale with one image");
  const name = out ?? join(dirname(lr as string), `${stemOf(lr as string)}_x${options.scale ?? SCALE}.png`);
  await upscaleFiles({ ...options, out: name } as UpscaleArguments, signal);
}

/** The options with `masa upscale image reference` as --lr and --ref. */
function withImages(options: Options, images: readonly string[], mistakes: string[]): Options {
  const [lr, ref, third] = images;
  if (lr === undefined) return options;
  if (options.lr !== undefined || options.ref !== undefined || options.pairs !== undefined) {
    mistakes.push(unexpected(lr));
    return options;
  }
  if (third !== undefined) {
    mistakes.push(
      `${images.length} images without options: give one and its reference, or --lr IMAGE --ref REFERENCES; of many, --lr FOLDER`,
    );
    return { ...options, lr, ref: images.slice(1) };
  }
  if (ref === undefined) mistakes.push(`'${lr}' has no reference; give one: masa upscale ${lr} REFERENCE`);
  return { ...options, lr, ref: ref === undefined ? [] : [ref] };
}
