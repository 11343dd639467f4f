/** `masa upscale` as a user meets it at the terminal: what it makes of odd images, and what it says to bad input. */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import { expect } from "chai";
import { zipSync } from "fflate";
import { readImage, writeImage } from "../../src/files/images.js";
import { readMetadata } from "../../src/files/metadata.js";
import { writeSafetensors } from "../../src/files/safetensors.js";
import { FileTensor } from "../../src/formats/tensor.js";
import {
  type BitDepth,
  type Channels,
  createImage,
  describeImage,
  type Image,
  maxValue,
} from "../../src/image/image.js";
import { resizeBicubic } from "../../src/image/resize.js";
import { Masa } from "../../src/masa/masa.js";
import { casePath } from "../cases.js";
import { fillNoise, goldenBytes, goldenPath, uniform } from "../files/golden.js";
import { masa } from "./masa.js";

const SMALL = { channels: 4, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] } as const;
const WEIGHTS = "small.safetensors";
/** So small that the network's detail on the bicubic enlargement stays below `NEAR` of white. */
const WEIGHT_SCALE = 0.02;
const NEAR = 0.05;

let folder: string;
const at = (name: string) => join(folder, name);
/** Everything in the folder, temporary files included. */
const listing = () => readdirSync(folder, { recursive: true }).sort();

function noise(width: number, height: number, channels: Channels = 3, bitDepth: BitDepth = 8): Image {
  return fillNoise(createImage(width, height, channels, bitDepth), width + height);
}

/** From 0.3 to 0.7 of white, so smooth that every bicubic enlarges it alike. */
function slope(channels: Channels, bitDepth: BitDepth): Image {
  const image = createImage(8, 8, channels, bitDepth);
  for (let i = 0; i < image.data.length; i++) {
    const pixel = Math.floor(i / channels);
    image.data[i] = maxValue(image) * (0.3 + (0.4 * ((pixel % 8) + Math.floor(pixel / 8))) / 14);
  }
  return image;
}

function flat(width: number, height: number, value: number): Image {
  const image = createImage(width, height, 3, 8);
  image.data.fill(value);
  return image;
}

/** A command line that works; later options replace these. */
const GOOD = ["upscale", "--lr", "lr.png", "--ref", "ref.png", "--out", "out.png"];

function upscale(args: readonly string[], env = {}, meanwhile?: (child: ChildProcess) => void) {
  return masa([...GOOD, ...args], env, meanwhile, folder);
}

type Case = readonly [args: readonly string[], message: RegExp];

/** Each command line ends with `code`, one message and no new file. */
async function refuses(code: 1 | 2, cases: readonly Case[]): Promise<void> {
  const before = listing();
  const run = async ([args, message]: Case) => {
    const { stderr, ...ended } = await masa(args, {}, undefined, folder);
    const [first, ...more] = stderr.trimEnd().split("\n");
    expect(first, args.join(" "))
      .to.match(/^masa upscale: /)
      .and.match(message);
    const hint = code === 2 ? ["Run 'masa upscale --help' for its arguments and options."] : [];
    expect(more.filter((line) => !line.startsWith("(Did you mean"))).to.deep.equal(hint);
    expect(ended).to.deep.equal({ code, stdout: "" });
  };
  await Promise.all(cases.map(run));
  expect(listing()).to.deep.equal(before);
}

/** Arguments are separated by spaces; '' is an empty one. */
const wrongUsage = (...cases: readonly (readonly [args: string, message: RegExp])[]) =>
  refuses(
    2,
    cases.map(([args, message]) => [`upscale ${args}`.split(" ").map((arg) => arg.replace("''", "")), message]),
  );

const fails = (...cases: readonly Case[]) =>
  refuses(
    1,
    cases.map(([args, message]) => [[...GOOD, ...args], message]),
  );

describe("masa upscale", () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "masa-upscale-"));
    const network = new Masa(SMALL).parameters.all.map(({ name, shape }, k) => {
      // Without biases the features of a black reference are exactly 0, and so are the norms of its patches.
      const scale = name.endsWith(".bias") ? 0 : WEIGHT_SCALE;
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => scale * uniform(k, i));
      return [name, FileTensor.of("F32", shape, data)] as const;
    });
    await writeSafetensors(at(WEIGHTS), new Map(network));
    await putWrongWeights(new Map(network));
    await putImages();
  });
  after(() => rmSync(folder, { recursive: true }));

  describe("refuses without asking for a GPU", () => {
    it("command lines that cannot be meant", () =>
      wrongUsage(
        ["--ref ref.png --out out.png", /required option '--lr <file>' not specified/],
        ["--lr lr.png --out out.png", /required option '--ref <file...>' not specified/],
        ["--lr lr.png --ref ref.png --out", /option '--out <file>' argument missing/],
        ["--lr lr.png --ref --out out.png", /'--ref <file...>' argument '--out' is invalid\. Give a name there/],
        ["--lr lr.png --ref ref.png --out ''", /'--out <file>' argument '' is invalid\. Give a name there/],
        ["--lr lr.png --ref ref.png --out out.png --wieghts w.pth", /unknown option '--wieghts'/],
        ["--lr my photo.png --ref ref.png --out out.png", /unexpected argument 'photo.png'; put quotation marks/],
        [
          "--lr lr.png ref2.png --ref ref.png --out o.png",
          /unexpected argument 'ref2.png'.* name a folder instead of \*/,
        ],
        ["lr.png", /'lr\.png' has no reference; give one: masa upscale lr\.png REFERENCE/],
        ["lr.png ref.png ref2.png", /3 images without options: give one and its reference, or --lr IMAGE/],
        ["lr.png ref.png --scale 5", /'--scale <factor>' argument '5' is invalid\. Give a number above 1, at most 4/],
        ["lr.png ref.png --scale 1", /Give a number above 1/],
        ["lr.png ref.png --quality 0", /Give a whole number from 1 to 100/],
        ["lr.png ref.png --background reddish", /Give white, black, grey or #rrggbb/],
      ));

    it("several mistakes at once", async () => {
      const { code, stderr } = await masa(
        ["upscale", "--out", "o.png", "--wieghts", "w", "--tnue", "3"],
        {},
        undefined,
        folder,
      );
      expect(code).to.equal(2);
      expect(stderr).to.match(/unknown option '--wieghts'[\s\S]*unknown option '--tnue'/);
      const lacking = await masa(["upscale", "--out", "o.png"], {}, undefined, folder);
      expect(lacking.stderr).to.match(
        /'--lr <file>' not specified\nmasa upscale: required option '--ref <file\.\.\.>'/,
      );
      const others = await masa(["pairs", "--foto", "x"], {}, undefined, folder);
      expect(others.stderr).to.match(
        /'--photos <folder>' not specified[\s\S]*unknown option '--foto'[\s\S]*'--out <folder>' not/,
      );
    });

    it("output names that name no format, an input or the other output", () =>
      wrongUsage(
        ["--lr lr.png --ref ref.png --out out", /--out: out names no image format\. End the name in \.png/],
        ["--lr lr.png --ref ref.png --out out.gif", /--out: out\.gif names no image format/],
        ["--lr lr.png --ref ref.png --out out.png --compare out.txt", /--compare: out\.txt names no image format/],
        ["--lr lr.png --ref ref.png --out ./lr.png", /--out \.\/lr\.png would replace lr\.png; give it another name/],
        ["--lr lr.png --ref ref.png --out link.png", /--out link\.png would replace ref\.png/],
        ["--lr lr.png --ref ref.png --out o.png --compare ./o.png", /--compare \.\/o\.png would replace o\.png/],
        ["--lr lr.png --ref ref.png --out o.png --ensemble 3", /Allowed choices are 4, 8/],
        [
          "--lr lr.png --ref ref.png --out o.png --ensemble 4 --profile",
          /--profile measures one run of the network; leave out --ensemble/,
        ],
        ["--lr lr.png --ref ref.png --out o.png --profile lr.png", /--profile lr\.png would replace lr\.png/],
      ));

    it("images that cannot be read", () =>
      fails(
        [["--lr", "none.png"], /none\.png does not exist\. Check the path$/],
        [["--ref", "none.png"], /none\.png does not exist/],
        [["--ref", "folder.png"], /folder\.png is a folder\. Name a file in it$/],
        [["--lr", "empty.png"], /empty\.png is empty\. Copy or download the file again$/],
        [
          ["--lr", "text.png"],
          /text\.png is no image of a known format\. Give a PNG, JPEG, WebP, TIFF, AVIF or GIF file$/,
        ],
        [["--lr", "short.png"], /short\.png is a PNG that ends too early/],
        [["--lr", "short.jpg"], /short\.jpg cannot be decoded \(VipsJpeg: premature end/],
        [["--lr", "crc.png"], /crc\.png is a damaged PNG \(checksum of its part "IDAT"\)/],
        [["--lr", "vast.png"], /vast\.png is a PNG of 65535×65535 pixels, more than.*Crop or shrink it$/],
        [
          ["--hr", "ref2.png"],
          /ref2\.png is 48×20, the result will be 32×32\. Give the image that lr\.png was made from$/,
        ],
      ));

    it("outputs that cannot be written", () =>
      fails(
        [
          ["--out", "wide.png"],
          /^masa upscale: wide\.png exists already\. Give another name, or --overwrite to replace it$/,
        ],
        [["--compare", "wide.png"], /wide\.png exists already/],
        [["--lr", "clear.png", "--out", "o.jpg"], /o\.jpg cannot hold transparency\. .*--background white/],
        [["--hr", "ref.png", "--scale", "2"], /ref\.png is 32×32, the result will be 16×16/],
        [["--out", "folder.png"], /cannot write folder\.png: it is a folder\. Name a file in it$/],
        [["--out", "lr.png/out.png"], /cannot write lr\.png\/out\.png: lr\.png is no folder/],
        [["--profile", "none/trace.json"], /cannot write none\/trace\.json: the folder none does not exist/],
        [["--compare", "lr.png/a/sheet.png"], /cannot write lr\.png\/a\/sheet\.png: lr\.png is no folder/],
        [["--out", `${"long".repeat(62)}.png`], /the name is too long\. Choose a shorter one$/],
      ));

    it("files of weights that are damaged, foreign or hostile", () =>
      fails(
        [["--weights", "none.pth"], /none\.pth does not exist/],
        [["--weights", "empty.png"], /empty\.png is empty/],
        [["--weights", "folder.png"], /folder\.png is a folder/],
        [["--weights", "page.pth"], /page\.pth is no file of weights.*check that it is not a web page$/],
        [["--weights", "short.pth"], /short\.pth cannot be read as a PyTorch checkpoint: its archive ends too early/],
        [["--weights", "short.safetensors"], /short\.safetensors is no valid safetensors file.*lies outside the file/],
        [["--weights", "hostile.pth"], /hostile\.pth.*holds a Python object of the kind posix\.system/],
        [["--weights", goldenPath("ckpt/adam_enc_nf8_zip.pth")], /holds no weights: "state" in it is no tensor/],
        [
          ["--weights", goldenPath("ckpt/enc_nf8_module_zip_cuda.pth")],
          /do not fit this network: \d+ tensors are missing/,
        ],
        [
          ["--weights", "shapes.safetensors"],
          /1 has another shape \(enc\.conv_L1\.bias: file \[2,2\], network \[4\]\)/,
        ],
        [["--weights", "diverged.safetensors"], /enc\.conv_L1\.bias has values that are infinite or NaN/],
      ));
  });

  describe("says on the GPU's threshold", () => {
    it("which adapters there are, where the wanted one is not", async () => {
      const { code, stdout, stderr } = await upscale(["--adapter", "no such"]);
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
      expect(stderr).to.match(/^masa upscale: no GPU adapter has 'no such' in its name\. There are: .*masa doctor/m);
    });

    const onLinux = process.platform === "linux" ? it : () => {}; // elsewhere no variable hides the adapter
    onLinux("what to do without a driver", async () => {
      const { code, stdout, stderr } = await upscale([], { VK_DRIVER_FILES: "/no/such/driver.json", MASA_ADAPTER: "" });
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
      expect(stderr).to.match(/^masa upscale: no GPU adapter was found\. 'masa doctor' lists.*$/m);
    });

    it("how to go on where the memory is too small for the smallest windows", async () => {
      const before = listing();
      const { code, stderr } = await upscale(["--lr", "large.png", "--memory", "1MiB"]);
      expect(code).to.equal(1);
      expect(stderr).to.match(/^masa upscale: .* does not fit into 1 MiB\. Raise --memory$/m);
      expect(listing()).to.deep.equal(before);
    });
  });

  describe("enlarges", () => {
    /** Runs and expects an image of `lr`'s kind near its bicubic enlargement. */
    async function enlarges(lr: string, refs: readonly string[], ...more: readonly string[]) {
      const before = listing();
      const good = ["upscale", "--weights", WEIGHTS, "--lr", lr, "--ref", ...refs, "--out", "result.png", ...more];
      const { code, stdout, stderr } = await masa(good, {}, undefined, folder);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/^matching {2}\d+ blocks?, mean similarity -?[01]\.\d{3} \(1 is a perfect match; /m);
      const [source, result] = [await readImage(at(lr)), await readImage(at("result.png"))];
      const wanted = resizeBicubic(source, 4 * source.width, 4 * source.height);
      expect(describeImage(result)).to.equal(describeImage(wanted));
      const far = result.data.findIndex((value, i) => Math.abs(value - wanted.data[i]!) > NEAR * maxValue(result));
      expect(far, `sample ${far}`).to.equal(-1);
      rmSync(at("result.png"));
      return { before, stdout, result };
    }
    const finishes = async (run: ReturnType<typeof enlarges>) => expect(listing()).to.deep.equal((await run).before);

    it("grey of 16 bits with a reference below 16 pixels", () => finishes(enlarges("grey16.png", ["tiny.png"])));
    it("grey with alpha from a reference of a single colour", () => finishes(enlarges("grey_alpha.png", ["flat.png"])));
    it("RGBA of 16 bits from references of several sizes and depths", () =>
      finishes(enlarges("rgba16.png", ["ref.png", "ref2.png", "ref16.png"])));

    it("a palette of one pixel from a black reference, with PSNR but no SSIM", async () => {
      const { stdout } = await enlarges("palette.png", ["black.png"], "--hr", "four.png");
      expect(stdout).to.match(/^quality +PSNR-Y \d+\.\d\d dB \(bicubic PSNR-Y \d+\.\d\d dB\)$/m);
    });

    it("names with spaces, dashes and letters of all kinds, with a sheet, PSNR and SSIM", async () => {
      const args = ["--lr", "-lr ü 像.png", "--ref=a b.png", "--out", "-o ü.webp", "--compare", "sheet.tif"];
      const { code, stdout, stderr } = await upscale([...args, "--weights", WEIGHTS, "--hr", "ref.png", "--"]);
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/^quality +PSNR-Y \d.* dB, SSIM-Y -?0\.\d{4} \(bicubic PSNR-Y \d.* dB, SSIM-Y .*\)$/m);
      expect(stdout).to.match(/^done .* wrote -o ü\.webp, sheet\.tif\n$/m);
      const own = stderr.replace(/^Warning: max\w+ artificially reduced .*\n/gm, "");
      expect(own).to.match(/^(masa: adapter .* is software.*\n)?(\d+ % · .* left · [a-z↓ ]+\n)*$/);
      for (const name of ["-o ü.webp", "sheet.tif"]) {
        expect((await readImage(at(name))).width).to.be.at.least(32);
        rmSync(at(name));
      }
    });

    it("a photograph and its reference without options, beside it, by any factor up to four", async () => {
      const before = listing();
      const args = ["upscale", "lr.png", "ref.png", "--weights", WEIGHTS];
      for (const [scale, size] of [
        ["4", 32],
        ["2", 16],
        ["3", 24],
        ["1.6", 13],
      ] as const) {
        const { code, stdout, stderr } = await masa([...args, "--scale", scale], {}, undefined, folder);
        expect(code, stderr).to.equal(0);
        const name = `lr_x${scale}.png`;
        expect(stdout).to.include(`wrote ${name}`);
        const result = await readImage(at(name));
        expect([result.width, result.height]).to.deep.equal([size, size]);
        expect((await masa([...args, "--scale", scale], {}, undefined, folder)).stderr).to.include("exists already");
        rmSync(at(name));
      }
      expect(listing()).to.deep.equal(before);
    });

    it("into folders that it makes, with a page to compare, and says what may be swapped", async () => {
      const before = listing();
      const args = ["upscale", "ref.png", "tiny.png", "--out", "new/a/out.jpg", "--compare", "new/b/page.html"];
      const { code, stderr } = await masa([...args, "--weights", WEIGHTS, "--quality", "50"], {}, undefined, folder);
      expect(code, stderr).to.equal(0);
      expect(stderr).to.match(
        /the image to be enlarged \(32×32\) is larger than its reference \(12×9\); are they swapped\?/,
      );
      expect((await readImage(at("new/a/out.jpg"))).width).to.equal(128);
      const page = readFileSync(at("new/b/page.html"), "utf8");
      expect(page).to.include("ref.png, 32×32 → 128×128").and.include('type="range"');
      expect(page.match(/src="data:image\/png;base64,/g)).to.have.length(3);
      expect(page).to.not.match(/https?:/);
      rmSync(at("new"), { recursive: true });
      expect(listing()).to.deep.equal(before);
    });

    it("a transparent image on a ground, and keeps its metadata", async () => {
      const args = ["--lr", "clear.png", "--background", "#ffffff", "--out", "o.jpg", "--weights", WEIGHTS];
      expect((await upscale(args)).code).to.equal(0);
      expect((await readImage(at("o.jpg"))).channels).to.equal(3);
      rmSync(at("o.jpg"));
      const lr = casePath("metadata/lr.jpg");
      expect((await upscale(["--lr", lr, "--out", "o.png", "--weights", WEIGHTS])).code).to.equal(0);
      const { density, exif } = await readMetadata(at("o.png"));
      expect(Math.round(density as number)).to.equal(300);
      expect(exif).to.have.length.above(50);
      rmSync(at("o.png"));
    });

    it("what is opaque without the colours hidden beside it", async () => {
      const results: Image[] = [];
      for (const name of ["lr", "hidden"]) {
        const args = ["--lr", casePath(`rims/${name}.png`), "--ref", casePath("rims/ref.png"), "--out", "o.png"];
        const { code, stderr } = await upscale(args);
        expect(code, stderr).to.equal(0);
        results.push(await readImage(at("o.png")));
        rmSync(at("o.png"));
      }
      expect(results[0]).to.deep.equal(results[1]);
      const [{ data }] = results as [Image];
      for (let i = 0; i < data.length; i += 4) if ((data[i + 3] as number) > 0) expect(data[i]).to.be.above(250);
    });

    it("with features in 16 bits, in less memory", async () => {
      const bytes = (stdout: string) => {
        const [, count, unit] = /^memory +([\d.]+) ([KM])iB of GPU memory$/m.exec(stdout) ?? [];
        return Number(count) * (unit === "M" ? 1024 : 1);
      };
      const whole = await enlarges("grey16.png", ["ref.png"]);
      const half = await enlarges("grey16.png", ["ref.png"], "--half");
      expect(bytes(half.stdout)).to.be.within(0.3 * bytes(whole.stdout), 0.9 * bytes(whole.stdout));
    });

    it("as the mean of 4 or 8 orientations, lists as well", async () => {
      const four = await enlarges("grey16.png", ["ref.png"], "--ensemble", "4");
      const one = await enlarges("grey16.png", ["ref.png"]);
      expect(four.result).not.to.deep.equal(one.result);
      writeFileSync(at("turned.csv"), "lr,ref,hr,out\ngrey16.png,ref.png,,four.png\n");
      const { code, stderr } = await masa(
        "upscale --pairs turned.csv --out turned --ensemble 4 --weights".split(" ").concat(WEIGHTS),
        {},
        undefined,
        folder,
      );
      expect(code, stderr).to.equal(0);
      expect(await readImage(at("turned/four.png"))).to.deep.equal(four.result);
      for (const name of ["turned", "turned.csv"]) rmSync(at(name), { recursive: true });
    });

    it("and tells where the time went", async () => {
      const { stdout } = await enlarges("grey16.png", ["tiny.png"], "--profile", "trace.json");
      expect(stdout).to.match(/^profile +\d+ dispatches, [\d.]+ ms a run by .*, 1 run$/m);
      expect(stdout).to.match(/^CPU +compile [\d.]+ ms · warm up .* · upload .* · encode .* · wait .* · read /m);
      expect(stdout).to.match(/^kernel +dispatches +ms +% +rate$/m);
      expect(stdout).to.match(/^fine_match +1 +[\d.]+ +[\d.]+ +[\d.]+ GFLOP\/s$/m);
      expect(stdout).to.match(/^stage +dispatches +ms +% +rate\nencode lr +\d+ /m);
      const { traceEvents } = JSON.parse(readFileSync(at("trace.json"), "utf8")) as { traceEvents: object[] };
      const dispatches = Number(/^profile +(\d+)/m.exec(stdout)?.[1]);
      expect(traceEvents).to.have.length.above(dispatches);
      rmSync(at("trace.json"));
    });

    it("to the end when the reader of its report has gone", async () => {
      const { code } = await upscale(["--lr", "wide.png", "--weights", WEIGHTS], {}, (child) =>
        child.stdout?.destroy(),
      );
      expect(code).to.equal(0);
      expect(describeImage(await readImage(at("out.png")))).to.equal("160×64 RGB, 8 bits");
      rmSync(at("out.png"));
    });
  });

  for (const times of [1, 2])
    it(`ends with 130 and leaves nothing on Ctrl-C${times > 1 ? ", at once when it is pressed again" : ""}`, async () => {
      const before = listing();
      let pressed = 0;
      const { code, stderr } = await upscale(["--lr", "long.png"], {}, (child) => {
        child.stdout?.on("data", (text: string) => {
          if (text.includes("memory") && pressed++ === 0) child.kill("SIGINT");
        });
        child.stderr?.on("data", (text: string) => {
          if (text.includes("stopping") && pressed++ < times) child.kill("SIGINT");
        });
      });
      expect(code).to.equal(130);
      expect(stderr).to.include("masa upscale: stopping; press Ctrl-C again to stop at once\n");
      expect(listing()).to.deep.equal(before);
    });
});

async function putImages(): Promise<void> {
  const images = {
    "lr.png": noise(8, 8),
    "-lr ü 像.png": noise(8, 8),
    "ref.png": noise(32, 32),
    "a b.png": noise(32, 32),
    "ref2.png": noise(48, 20),
    "ref16.png": noise(33, 40, 3, 16),
    "tiny.png": noise(12, 9),
    "wide.png": noise(40, 16),
    // So large that a second key press comes long before the end.
    "long.png": noise(200, 200),
    "grey16.png": slope(1, 16),
    "grey_alpha.png": slope(2, 8),
    "rgba16.png": slope(4, 16),
    "flat.png": flat(32, 32, 128),
    "black.png": flat(32, 32, 0),
    "four.png": noise(4, 4),
    "clear.png": fillNoise(createImage(8, 8, 4, 8), 5),
    "large.png": flat(1600, 1600, 9),
    "whole.jpg": noise(64, 64),
  };
  for (const [name, image] of Object.entries(images)) await writeImage(at(name), image);
  symlinkSync("ref.png", at("link.png"));
  mkdirSync(at("folder.png"));
  writeFileSync(at("empty.png"), "");
  writeFileSync(at("text.png"), "This is no picture.\n");
  writeFileSync(at("palette.png"), onePixelPalette());
  const [png, jpeg] = [readFileSync(at("ref.png")), readFileSync(at("whole.jpg"))];
  writeFileSync(at("short.png"), png.subarray(0, png.length / 2));
  writeFileSync(at("short.jpg"), jpeg.subarray(0, jpeg.length / 2));
  const damaged = Buffer.from(png);
  damaged[100]! ^= 1;
  writeFileSync(at("crc.png"), damaged);
  const vast = Buffer.from(png);
  vast.writeUInt32BE(65535, 16);
  vast.writeUInt32BE(65535, 20);
  vast.writeUInt32BE(crc32(vast.subarray(12, 29)), 29);
  writeFileSync(at("vast.png"), vast);
}

/** A PNG of one pixel whose colour is in a palette. */
function onePixelPalette(): Buffer {
  const chunk = (type: string, ...content: number[]) => {
    const bytes = Buffer.from([0, 0, 0, content.length, ...Buffer.from(type), ...content, 0, 0, 0, 0]);
    bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
    return bytes;
  };
  return Buffer.concat([
    Buffer.from([0x89, ...Buffer.from("PNG\r\n\x1a\n")]),
    chunk("IHDR", 0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0),
    chunk("PLTE", 200, 100, 50),
    chunk("IDAT", ...deflateSync(Buffer.from([0, 0]))),
    chunk("IEND"),
  ]);
}

async function putWrongWeights(network: ReadonlyMap<string, FileTensor>): Promise<void> {
  const changed = (name: string, tensor: FileTensor) =>
    writeSafetensors(at(name), new Map([...network, ["enc.conv_L1.bias", tensor]]));
  await changed("shapes.safetensors", FileTensor.of("F32", [2, 2], new Float32Array(4)));
  await changed("diverged.safetensors", FileTensor.of("F32", [4], Float32Array.of(0, Number.NaN, 0, 0)));
  const half = (bytes: Uint8Array) => bytes.subarray(0, bytes.length / 2);
  writeFileSync(at("short.safetensors"), half(readFileSync(at(WEIGHTS))));
  writeFileSync(at("short.pth"), half(goldenBytes("ckpt/enc_nf8_module_zip_cuda.pth")));
  writeFileSync(at("page.pth"), "<!DOCTYPE html><title>Virus scan warning</title>");
  // What pickle.dumps makes of an object whose __reduce__ returns (os.system, ("touch run.txt",)).
  const pickle = Buffer.from("\x80\x02cposix\nsystem\nX\x0d\0\0\0touch run.txt\x85R.", "latin1");
  writeFileSync(at("hostile.pth"), zipSync({ "archive/data.pkl": pickle }));
}
