/**
 * The page in a real browser, which computes in software as lavapipe does here: slowly, so the pictures are small. Not part
 * of `npm test`, because it takes a browser: `npm run test:web` installs one, and builds the page.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { type Browser, chromium, type Page } from "playwright-core";
import { build, type PreviewServer, preview } from "vite";
import { readImage } from "../../src/files/images.js";
import { decodePng, encodePng } from "../../src/files/png.js";
import { stateDictBytes } from "../../src/formats/state_dict.js";
import { FileTensor } from "../../src/formats/tensor.js";
import { createImage, cropImage, type Image } from "../../src/image/image.js";
import { psnrY } from "../../src/image/metrics.js";
import { resizeBicubic } from "../../src/image/resize.js";
import { Masa } from "../../src/masa/masa.js";
import { loadMasa } from "../../src/models/load.js";
import { upscale } from "../../src/upscale/run.js";
import { caseBytes, casePath } from "../cases.js";
import { testDevice } from "../device.js";
import { fillNoise } from "../files/golden.js";

const ROOT = new URL("../../../", import.meta.url);
const { BROWSER_FLAGS, findBrowser } = (await import(new URL("scripts/browser.mjs", ROOT).href)) as {
  BROWSER_FLAGS: readonly string[];
  findBrowser(): string | undefined;
};

/** Parts of the example that one sees something in: 24×24 pixels to be enlarged, and what there is in the reference. */
const LR = { left: 40, top: 24, side: 24 };
const PHOTOGRAPHS = new URL("examples/data/", ROOT);

async function part(name: string, scale: number): Promise<Image> {
  const image = decodePng(new Uint8Array(await readFile(new URL(name, PHOTOGRAPHS))), name);
  return cropImage(image, scale * LR.left, scale * LR.top, scale * LR.side, scale * LR.side);
}

const pngOf = (name: string, image: Image) => ({ name, mimeType: "image/png", buffer: Buffer.from(encodePng(image)) });
const fileOf = (name: string, bytes: Uint8Array) => ({ name, mimeType: "", buffer: Buffer.from(bytes) });

/** Waits for what comes soon; mocha's own limit ends a test for which it never comes. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await setTimeout(50);
}

/** What the package gives in Node. */
async function byNode(lr: Image, ref: Image): Promise<Image> {
  const device = await testDevice();
  const masa = await loadMasa(device);
  try {
    return (await upscale(device, masa, { lr, refs: [ref] })).image;
  } finally {
    masa.parameters.dispose();
  }
}

/** The largest difference of two samples, of images of one size and kind. */
function difference(a: Image, b: Image): number {
  const kind = ({ width, height, channels, bitDepth }: Image) => ({ width, height, channels, bitDepth });
  expect(kind(a)).to.deep.equal(kind(b));
  return Array.from(a.data, (sample, i) => Math.abs(sample - b.data[i]!)).reduce((most, one) => Math.max(most, one));
}

describe("the page", function () {
  // Software on a busy machine.
  this.timeout(300_000);
  const configFile = fileURLToPath(new URL("web/vite.config.mjs", ROOT));
  let server: PreviewServer;
  let address: string;
  let browser: Browser;
  let page: Page;
  let pair: { lr: Image; ref: Image; hr: Image };
  const complaints: string[] = [];
  const requests: string[] = [];

  const launch = (flags: readonly string[]) =>
    chromium.launch({ executablePath: findBrowser() as string, args: [...flags] });
  const open = async (of: Browser): Promise<Page> => {
    // What a service worker serves, the tests could not replace.
    const opened = await of.newPage({ viewport: { width: 1200, height: 900 }, serviceWorkers: "block" });
    opened.setDefaultTimeout(150_000);
    opened.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    opened.on("pageerror", (error) => complaints.push(error.message));
    opened.on("request", (request) => requests.push(request.url()));
    await opened.goto(address);
    await opened.locator("#adapter", { hasNotText: "Looking" }).waitFor();
    return opened;
  };
  const text = async (selector: string, of = page) => (await of.locator(selector).textContent()) ?? "";
  const pixelsOf = (canvas: string) => page.evaluate(`document.querySelector("${canvas}").toDataURL()`);
  const choose = (well: string, ...files: ReturnType<typeof pngOf>[]) =>
    page.locator(`#${well} input`).setInputFiles(files);
  /** Enlarges what is there, and gives what the download button gives. */
  const enlarge = async (): Promise<Image> => {
    await page.click("#run");
    await page.locator("#progress").waitFor({ state: "visible" });
    await page.locator("#progress").waitFor({ state: "hidden" });
    expect((await page.locator("#problem").isVisible()) && (await text("#problem"))).to.equal(false);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
    return decodePng(new Uint8Array(await readFile(await download.path())), download.suggestedFilename());
  };

  before(async () => {
    server = await preview({ configFile, preview: { port: 0, host: "127.0.0.1" } });
    address = server.resolvedUrls?.local[0] as string;
    browser = await launch(BROWSER_FLAGS);
    pair = { lr: await part("aloe_lr.png", 1), ref: await part("aloe_ref.png", 4), hr: await part("aloe_hr.png", 4) };
    page = await open(browser);
    // The example is the whole photograph; a part of it is enough here.
    for (const [name, image] of Object.entries(pair))
      await page.route(`**/aloe_${name}*.png`, (route) => route.fulfill({ body: pngOf(name, image).buffer }));
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  it("says what computes, and waits for pictures", async () => {
    expect(await text("#adapter")).to.match(/swiftshader computes on the processor instead, which is slow/);
    expect(await page.locator("#run").isDisabled()).to.equal(true);
  });

  it("enlarges its example as Node does, with progress and figures", async () => {
    await page.click("#examples button >> text=aloe");
    await page.locator("#refs li").waitFor();
    expect(await text("#lr li")).to.contain("aloe_lr.png, 24×24");
    await page.evaluate(`(() => {
      globalThis.steps = [];
      const observer = new MutationObserver(() =>
        steps.push([document.querySelector("#stage").textContent, document.querySelector("progress").value]));
      observer.observe(document.querySelector("#stage"), { childList: true });
    })()`);
    const image = await enlarge();
    const node = await byNode(pair.lr, pair.ref);
    expect(difference(image, node)).to.be.at.most(1);

    const steps = (await page.evaluate("steps")) as [stage: string, share: number][];
    for (const stage of ["looking at the reference", "matching", "putting both together", "s left"])
      expect(
        steps.some(([text]) => text.includes(stage)),
        stage,
      ).to.equal(true);
    expect(steps.some(([text]) => /preparing the GPU, [\d.]+ MiB of its memory/.test(text))).to.equal(true);
    const shares = steps.map(([, share]) => share);
    expect(shares).to.deep.equal([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).to.equal(1);

    const facts = await text("#facts");
    const bicubic = psnrY(resizeBicubic(pair.lr, 96, 96), pair.hr);
    expect(facts).to.match(/^96×96 pixels in [\d.]+ s · [\d.]+ MiB of GPU memory · 9 blocks matched/);
    const [, shown, shownBicubic] = /PSNR-Y ([\d.]+) dB \(bicubic ([\d.]+) dB\)/.exec(facts) ?? [];
    expect(Number(shown)).to.be.closeTo(psnrY(node, pair.hr), 0.02);
    expect(Number(shownBicubic)).to.be.closeTo(bicubic, 0.0051);
  });

  it("moves its divider by mouse and by keyboard", async () => {
    const clip = () => page.locator("#before").getAttribute("style");
    const half = await clip();
    await page.locator("#viewer").scrollIntoViewIfNeeded();
    const { x, y, width, height } = (await page.locator("#viewer").boundingBox())!;
    await page.mouse.move(x + width / 2, y + height / 2);
    await page.mouse.down();
    await page.mouse.move(x + width / 2 + 100, y + height / 2, { steps: 3 });
    await page.mouse.up();
    expect(Number(await page.locator("#split").inputValue())).to.be.closeTo(50 + (100 * 100) / width, 1);
    const dragged = await clip();
    expect(dragged).not.to.equal(half);
    await page.focus("#split");
    await page.keyboard.press("Home");
    expect(await page.locator("#split").inputValue()).to.equal("0");
    await page.keyboard.press("ArrowRight");
    expect(await page.locator("#split").inputValue()).to.equal("1");
    expect(await clip()).not.to.equal(dragged);
  });

  it("zooms by buttons, keys and wheel, and fits again", async () => {
    const zoom = async () => Number.parseFloat(await text("#zoom"));
    const fitted = await zoom();
    await page.click("#zoom-in");
    expect(await zoom()).to.be.closeTo(1.25 * fitted, 1);
    await page.focus("#viewer");
    await page.keyboard.press("+");
    expect(await zoom()).to.be.closeTo(1.25 ** 2 * fitted, 1);
    const place = () => page.locator("#after").getAttribute("style");
    const before = await place();
    await page.keyboard.press("ArrowDown");
    expect(await place()).not.to.equal(before);
    await page.hover("#viewer");
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, 100);
    await page.keyboard.up("Control");
    await until(async () => (await zoom()) < 1.5 * fitted);
    await page.keyboard.press("0");
    expect(await zoom()).to.equal(fitted);
    await page.click("#actual");
    expect(await zoom()).to.equal(100);
  });

  it("compares with the reference as it was matched, and the original", async () => {
    const seen = new Set([await pixelsOf("#before")]);
    for (const choice of ["the reference, as matched", "the original"]) {
      await page.selectOption("#against", choice);
      expect(await text("#before-name")).to.equal(choice);
      seen.add(await pixelsOf("#before"));
    }
    expect(seen.size).to.equal(3);
  });

  it("shows which block was found where", async () => {
    expect(await text("#match-text")).to.match(/^Block 2, 2 of 3×3: found around pixel \(\d+, \d+\) .* matches 0\.\d+/);
    await page.focus("#blocks");
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowUp");
    expect(await text("#match-text")).to.contain("Block 1, 1 of 3×3");
    const { x, y, width } = (await page.locator("#blocks").boundingBox())!;
    await page.mouse.move(x + 0.9 * width, y + 0.1 * width);
    expect(await text("#match-text")).to.contain("Block 1, 3 of 3×3");
    expect(await page.locator("#blocks rect").getAttribute("x")).to.equal("64");
    expect(await page.locator("#reference rect").count()).to.equal(2);
    const seen = new Set([await pixelsOf("#blocks canvas")]);
    for (const layer of ["places", "similarity", "matched"]) {
      await page.selectOption("#layer", layer);
      await until(async () => !seen.has(await pixelsOf("#blocks canvas")));
      seen.add(await pixelsOf("#blocks canvas"));
    }
  });

  it("takes dropped files and several references, keeps 16 bits, grey and alpha", async () => {
    const lr = fillNoise(createImage(8, 8, 2, 16), 1);
    const ref = fillNoise(createImage(32, 32, 3, 8), 2);
    const { buffer } = pngOf("grey.png", lr);
    await page.evaluate(`(() => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(${JSON.stringify([...buffer])})], "grey.png"));
      document.querySelector("#lr").dispatchEvent(new DragEvent("drop", { dataTransfer: data }));
    })()`);
    await page.locator("#lr li >> text=grey.png, 8×8, 16 bits").waitFor();
    await choose("refs", pngOf("a.png", ref), pngOf("b.png", ref));
    await page.locator("#refs li >> text=b.png").waitFor();
    // The example's reference has gone: it shows nothing of the user's picture.
    expect(await page.locator("#refs li").count()).to.equal(2);
    await page.click('[aria-label="Remove b.png"]');
    const image = await enlarge();
    // One step of 8 bits, as for the example, is 257 of 16.
    expect(difference(image, await byNode(lr, ref))).to.be.at.most(257);
    expect(await text("#facts")).not.to.contain("PSNR");
  });

  it("waits until files have been read", async () => {
    const { buffer } = pngOf("large.png", fillNoise(createImage(700, 700, 3, 8), 1));
    const seen = (await page.evaluate(`(() => {
      const data = new DataTransfer();
      const bytes = Uint8Array.from(atob(${JSON.stringify(buffer.toString("base64"))}), (c) => c.charCodeAt(0));
      data.items.add(new File([bytes], "large.png"));
      const before = document.querySelector("#run").disabled;
      document.querySelector("#refs").dispatchEvent(new DragEvent("drop", { dataTransfer: data }));
      return [before, document.querySelector("#run").disabled, document.querySelector("#refs ul").textContent];
    })()`)) as [boolean, boolean, string];
    expect(seen.slice(0, 2)).to.deep.equal([false, true]);
    expect(seen[2]).to.contain("Reading large.png …");
    await page.locator("#refs li >> text=large.png, 700×700").waitFor();
    expect(await page.locator("#run").isDisabled()).to.equal(false);
    await page.click('[aria-label="Remove large.png"]');
  });

  it("saves the result as JPEG and WebP, and the comparison", async () => {
    const save = async (button: string) => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
      return { name: download.suggestedFilename(), image: await readImage(await download.path()) };
    };
    for (const [type, ending] of [
      ["image/jpeg", "jpg"],
      ["image/webp", "webp"],
    ] as const) {
      await page.selectOption("#format", type);
      await page.fill("#quality", "80");
      const { name, image } = await save("#download");
      expect(name).to.equal(`grey_x4.${ending}`);
      expect([image.width, image.height, image.channels]).to.deep.equal([32, 32, ending === "jpg" ? 3 : 4]);
    }
    await page.selectOption("#format", "image/png");
    expect(await page.locator("#quality").isVisible()).to.equal(false);
    const { name, image } = await save("#download-comparison");
    expect(name).to.equal("grey_compare.png");
    expect(image.width).to.equal(8 + 3 * (32 + 8));
  });

  it("reads profiles and orientation of PNG as Node does", async () => {
    for (const name of ["p3_8bit.png", "exif6.png", "metadata/lr.png"]) {
      const image = await readImage(casePath(name));
      await choose("lr", fileOf("case.png", caseBytes(name)));
      await page.locator(`#lr li >> text=case.png, ${image.width}×${image.height}`).waitFor();
      const shown = (await page.evaluate(
        `[...document.querySelector("#lr canvas").getContext("2d").getImageData(0, 0, ${image.width}, ${image.height}).data]`,
      )) as number[];
      expect(shown.filter((_, i) => i % 4 < 3)).to.deep.equal([...image.data]);
      await page.click('[aria-label="Remove case.png"]');
    }
  });

  it("takes pasted pictures: the one to enlarge, then references", async () => {
    const paste = (name: string, image: Image) =>
      page.evaluate(`(() => {
        const clipboardData = new DataTransfer();
        clipboardData.items.add(new File([Uint8Array.from(${JSON.stringify([...pngOf("", image).buffer])})], "${name}"));
        document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
      })()`);
    await paste("pasted.png", pair.lr);
    await page.locator("#lr li >> text=pasted.png, 24×24").waitFor();
    await paste("another.png", createImage(9, 9, 3, 8));
    await page.locator("#refs li >> text=another.png, 9×9").waitFor();
    await page.click('[aria-label="Remove another.png"]');
  });

  it("says what is wrong with a file, by its name, and keeps what was there", async () => {
    const kept = await text("#lr li");
    const damaged = pngOf("damaged.png", pair.lr);
    damaged.buffer[damaged.buffer.length >> 1]! ^= 1;
    for (const [file, message] of [
      [damaged, /^damaged\.png is a damaged PNG/],
      [fileOf("text.jpg", Buffer.from("no picture")), /^text\.jpg is no image that this browser can read\. Give a PNG/],
      [fileOf("empty.png", new Uint8Array()), /^empty\.png is empty/],
    ] as const) {
      await choose("lr", file);
      await page.locator("#lr .well-problem", { hasText: file.name }).waitFor();
      expect(await text("#lr .well-problem")).to.match(message);
      expect(await text("#lr li")).to.equal(kept);
    }
    await choose("lr", pngOf("lr.png", pair.lr));
    await page.locator("#lr .well-problem").waitFor({ state: "hidden" });
  });

  it("takes weights of PyTorch, and refuses what is none", async () => {
    const masa = new Masa({ channels: 4, encoderBlocks: [1, 0, 1], decoderBlocks: [1, 0, 0, 1, 0, 0] });
    const values = masa.parameters.initial();
    const tensors = masa.parameters.all.map(
      ({ name, shape }, i) => [name, FileTensor.of("F32", shape, values[i]!)] as const,
    );
    await page.click("summary");
    await page.setInputFiles("#weights-file", fileOf("own.pth", stateDictBytes(new Map(tensors))));
    await page.locator("#weights", { hasText: "own.pth" }).waitFor();
    expect(await text("#weights")).to.contain(`${masa.parameters.count.toLocaleString("en")} parameters, 4 channels`);
    await page.setInputFiles("#weights-file", fileOf("page.pth", Buffer.from("<!doctype html>")));
    await page.locator("#weights-problem", { hasText: "page.pth is no file of weights" }).waitFor();
    expect(await text("#weights")).to.contain("own.pth");
    await page.click("#weights-reset");
    await page.locator("#weights", { hasText: "small, of this page" }).waitFor();
  });

  it("stops when told, and says so", async () => {
    await page.click("#run");
    await page.locator("#stage", { hasText: /matching|looking/ }).waitFor();
    await page.click("#cancel");
    await page.locator("#announcement", { hasText: "Cancelled." }).waitFor({ state: "attached" });
    expect(await page.locator("#run").isEnabled()).to.equal(true);
    expect(await page.locator("#problem").isHidden()).to.equal(true);
  });

  it("says that the GPU was lost, and goes on with a new one", async () => {
    await page.click("#run");
    await page.locator("#stage", { hasText: /matching|looking/ }).waitFor();
    await (await browser.newBrowserCDPSession()).send("Browser.crashGpuProcess");
    await page.locator("#problem", { hasText: "the GPU device was lost" }).waitFor();
    await page.click("#retry");
    await page.locator("#announcement", { hasText: "Done: 96×96" }).waitFor({ state: "attached" });
    expect(await page.locator("#problem").isHidden()).to.equal(true);
  });

  it("is small code for a page of one's own: the example, on the built package", async () => {
    const built = fileURLToPath(new URL("dist/src/browser/index.js", ROOT));
    const out = await mkdtemp(join(tmpdir(), "masa-example-"));
    const root = fileURLToPath(new URL("examples/browser/", ROOT));
    const resolve = { alias: { "masa-webgpu/browser": built } };
    const options = { outDir: out, emptyOutDir: true, assetsInlineLimit: 0 };
    await build({ root, base: "./", configFile: false, logLevel: "warn", resolve, build: options });
    const example = await preview({ root, configFile: false, build: options, preview: { port: 0, host: "127.0.0.1" } });
    try {
      const own = await browser.newPage();
      own.on("pageerror", (error) => complaints.push(error.message));
      await own.goto(example.resolvedUrls?.local[0] as string);
      const [lr, ref] = [fillNoise(createImage(8, 8, 3, 8), 1), fillNoise(createImage(32, 32, 3, 8), 2)];
      await own.setInputFiles("[name=lr]", pngOf("lr.png", lr));
      await own.setInputFiles("[name=ref]", pngOf("ref.png", ref));
      await own.click("button");
      await own.locator("#status", { hasText: "32×32, similarity" }).waitFor({ timeout: 150_000 });
      expect(await own.evaluate(`document.querySelector("#result").naturalWidth`)).to.equal(32);
    } finally {
      await example.close();
      await rm(out, { recursive: true });
    }
  });

  it("asks nobody else for anything, and has nothing to complain of", () => {
    expect(requests.filter((url) => !url.startsWith(address) && !/^(blob|data):/.test(url))).to.deep.equal([]);
    expect(requests.length).to.be.above(5);
    expect(complaints).to.deep.equal([]);
  });

  it("works offline once it says so", async () => {
    const context = await browser.newContext();
    try {
      const stored = await context.newPage();
      stored.setDefaultTimeout(150_000);
      await stored.goto(address);
      await stored.locator("#offline").waitFor({ state: "visible" });
      await context.setOffline(true);
      await server.close();
      await stored.reload();
      await stored.locator("#adapter", { hasText: "computes on the processor" }).waitFor();
      await stored.click("#examples button >> text=aloe");
      await stored.locator("#refs li >> text=aloe_ref.png").waitFor();
    } finally {
      await context.close();
      server = await preview({ configFile, preview: { port: 0, host: "127.0.0.1" } });
      address = server.resolvedUrls?.local[0] as string;
    }
  });

  it("says what to do where it was opened as a file", async () => {
    const context = await browser.newContext();
    try {
      const opened = await context.newPage();
      await opened.goto(new URL("web/dist/index.html", ROOT).href);
      await opened.locator("#not-started", { hasText: "python3 -m http.server" }).waitFor({ state: "visible" });
    } finally {
      await context.close();
    }
  });

  it("says where there is no WebGPU, and what to do", async () => {
    const without = await launch(["--disable-features=WebGPU", "--disable-blink-features=WebGPU"]);
    try {
      const plain = await open(without);
      expect(await text("#adapter", plain)).to.equal("There is no GPU that this page can use.");
      expect(await text("#problem", plain))
        .to.match(/no WebGPU|no GPU adapter/)
        .and.to.match(/Use a current Chrome/);
      expect(await plain.locator("#run").isDisabled()).to.equal(true);
    } finally {
      await without.close();
    }
  });
});
