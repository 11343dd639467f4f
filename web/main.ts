/** The page: takes pictures, asks the engine in its worker, and shows what comes back. */
import { proxy, wrap } from "comlink";
import { type Ensemble, formatBytes, type Image, type ImageFileType } from "../src/browser/index.js";
import { element, sheetOf } from "./canvas.js";
import type { Engine, Outcome, Step } from "./engine.js";
import { EXAMPLES, type Example } from "./examples.js";
import { MatchView } from "./matches.js";
import { Viewer } from "./viewer.js";
import { well } from "./wells.js";

/** What the network's stages are, to who does not know it. */
const STAGES: Readonly<Record<string, string>> = {
  prepare: "preparing the GPU",
  "encode lr": "looking at the picture",
  "encode ref↓": "looking at the reference, shrunk",
  "encode ref": "looking at the reference",
  match: "matching",
  extract: "carrying the reference over",
  decode: "putting both together",
  enlarge: "enlarging",
  "show matches": "noting what was found where",
};
/** Of the work, what is not counted when the rest is estimated: in it shaders are made ready, which takes its own time. */
const BEGINNING = 0.05;

const worker = new Worker(new URL("./engine.ts", import.meta.url), { type: "module" });
worker.addEventListener("error", () =>
  fail(new Error("The part of this page that computes has failed. Reload the page.")),
);
const engine = wrap<Engine>(worker);
const read = (file: Blob, name: string) => engine.readImage(file, name);
const viewer = new Viewer();
const matches = new MatchView((match) => engine.matchPictures(match));
const problem = element("#problem");
const run = element<HTMLButtonElement>("#run");
const cancel = element<HTMLButtonElement>("#cancel");
const ensemble = element<HTMLSelectElement>("#ensemble");
const against = element<HTMLSelectElement>("#against");
const announcement = element("#announcement");
const wells = {
  lr: well("lr", { read: (file) => read(file, file.name), onChange: changed, onAdd: forgetExample }),
  refs: well("refs", { read: (file) => read(file, file.name), onChange: changed }),
};
/** What the picture to enlarge was made from, if it is an example's. */
let truth: Image | undefined;
let canCompute = false;
let running = false;
/** Where counting for an estimate begins: after the beginning of a run. */
let counted: { readonly time: number; readonly share: number } | undefined;
let shown: { readonly outcome: Outcome; readonly name: string; readonly truth: Image | undefined } | undefined;

function changed(): void {
  truth = undefined;
  allowRun();
}

/** An example's reference shows nothing of the user's picture. */
function forgetExample(): void {
  if (wells.refs.isExample) wells.refs.set([]);
}

function allowRun(): void {
  const both = [wells.lr, wells.refs];
  const isReady = both.every(({ pictures, isReading }) => pictures.length > 0 && !isReading);
  run.disabled = !canCompute || running || !isReady;
}

/** Shows what went wrong; `again` is what the button does, where trying again may help. */
function fail(error: unknown, again?: () => Promise<void>): void {
  element("#problem-text").textContent = error instanceof Error ? error.message : String(error);
  const retry = element("#retry");
  retry.hidden = !again;
  retry.onclick = again ? () => void again() : null;
  problem.hidden = false;
}

async function start(): Promise<void> {
  problem.hidden = true;
  try {
    const { name, software } = await engine.open();
    canCompute = true;
    allowRun();
    element("#adapter").textContent = software
      ? `No GPU can be used: ${name} computes on the processor instead, which is slow.`
      : `Computes on this machine's GPU: ${name}.`;
  } catch (error) {
    element("#adapter").textContent = "There is no GPU that this page can use.";
    fail(error, start);
  }
}

async function enlarge(): Promise<void> {
  const [picture] = wells.lr.pictures;
  if (!picture) return;
  const made = truth;
  const started = performance.now();
  counted = undefined;
  setRunning(true);
  showStep({ stage: "prepare", share: 0 }, started);
  try {
    const refs = wells.refs.pictures.map(({ image }) => image);
    const request = { lr: picture.image, refs, truth: made, ensemble: Number(ensemble.value) as Ensemble };
    const outcome = await engine.upscale(
      request,
      proxy((step) => showStep(step, started)),
    );
    await show(outcome, picture.name, made);
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") announcement.textContent = "Cancelled.";
    else fail(error, enlarge);
  } finally {
    setRunning(false);
  }
}

function setRunning(now: boolean): void {
  const hadFocus = document.activeElement === (now ? run : cancel);
  running = now;
  if (now) problem.hidden = true;
  element("#progress").hidden = !now;
  cancel.hidden = !now;
  cancel.disabled = false;
  allowRun();
  if (hadFocus) (now ? cancel : run).focus();
}

function showStep({ stage, share, bytes }: Step, started: number): void {
  if (!running) return;
  const now = performance.now();
  const seconds = (now - started) / 1000;
  if (share > BEGINNING) counted ??= { time: now, share };
  const done = counted ? share - counted.share : 0;
  const rest = counted && done > 0 ? ((now - counted.time) / 1000) * ((1 - share) / done) : undefined;
  const name = STAGES[stage] ?? stage;
  const left = rest === undefined ? "" : `, about ${rest.toFixed(rest < 10 ? 1 : 0)} s left`;
  element<HTMLProgressElement>("#progress progress").value = share;
  const memory = bytes === undefined ? "" : `, ${formatBytes(bytes)} of its memory`;
  element("#stage").textContent = `${name}${memory} · ${Math.round(100 * share)} % · ${seconds.toFixed(1)} s${left}`;
  // Who listens hears each stage once.
  if (announcement.textContent !== name) announcement.textContent = name;
}

async function show(outcome: Outcome, name: string, made: Image | undefined): Promise<void> {
  shown = { outcome, name, truth: made };
  const { image, blocks, similarity, seconds, bytes, psnr } = outcome;
  const facts = [
    `${image.width}×${image.height} pixels in ${seconds.toFixed(1)} s`,
    `${formatBytes(bytes)} of GPU memory`,
    `${blocks} block${blocks === 1 ? "" : "s"} matched, mean similarity ${similarity.toFixed(3)}`,
    ...(psnr ? [`PSNR-Y ${psnr.image.toFixed(2)} dB (bicubic ${psnr.bicubic.toFixed(2)} dB)`] : []),
  ];
  element("#facts").textContent = facts.join(" · ");
  const choices = ["bicubic", "the reference, as matched", ...(made ? ["the original"] : [])];
  against.replaceChildren(...choices.map((choice) => new Option(choice)));
  element("#result").hidden = false;
  element("#match").hidden = false;
  viewer.show(outcome.bicubic, "bicubic", image);
  await matches.show(outcome);
  announcement.textContent = `Done: ${facts[0]}.`;
}

function compare(): void {
  if (!shown) return;
  const { outcome, truth } = shown;
  const images = [outcome.bicubic, outcome.matched, truth ?? outcome.bicubic];
  viewer.compare(images[against.selectedIndex] as Image, against.value);
}

const FORMATS: Readonly<Record<ImageFileType, string>> = {
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/webp": "webp",
};
const format = element<HTMLSelectElement>("#format");
const quality = element<HTMLInputElement>("#quality");

async function download(): Promise<void> {
  if (!shown) return;
  const type = format.value as ImageFileType;
  save(await engine.imageFile(shown.outcome.image, type, qualityWithin()), `x4.${FORMATS[type]}`);
}

function qualityWithin(): number {
  return Math.min(100, Math.max(1, Math.round(quality.valueAsNumber || 95)));
}

/** Saves what is compared, side by side under its names. */
async function downloadComparison(): Promise<void> {
  if (!shown) return;
  const { outcome, truth } = shown;
  const panels: [string, Image][] = [
    ["bicubic", outcome.bicubic],
    ["MASA", outcome.image],
    ...(truth ? [["the original", truth] as [string, Image]] : []),
    ["the reference, as matched", outcome.matched],
  ];
  save(await sheetOf(panels), "compare.png");
}

/** Offers a file whose name begins as that of the picture. */
function save(file: Blob, ending: string): void {
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = `${shown?.name.replace(/\.\w+$/, "")}_${ending}`;
  link.click();
  URL.revokeObjectURL(address);
}

function showFormat(): void {
  element("#download").textContent = `Download ${format.selectedOptions[0]?.textContent}`;
  element("#quality-label").hidden = format.value === "image/png";
}

/** Pasted pictures: the first is the one to enlarge where there is none but an example's, others are references. */
function paste(event: ClipboardEvent): void {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length === 0) return;
  event.preventDefault();
  const isFree = (wells.lr.pictures.length === 0 || wells.lr.isExample) && !wells.lr.isReading;
  const rest = isFree ? files.slice(1) : files;
  if (isFree) void wells.lr.take(files.slice(0, 1));
  if (rest.length > 0) void wells.refs.take(rest);
}

/** Stores the page in the browser; only then it says that it works offline. */
async function keepOffline(): Promise<void> {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register(new URL("sw.js", document.baseURI));
  await navigator.serviceWorker.ready;
  element("#offline").hidden = false;
}

async function useExample({ name, lr, ref, hr }: Example): Promise<void> {
  try {
    const load = async (address: string, what: string) => {
      const response = await fetch(address);
      if (!response.ok) throw new Error(`${address}: the server says ${response.status}. Reload the page`);
      return { name: `${name}_${what}.png`, image: await read(await response.blob(), what) };
    };
    const [small, reference, large] = await Promise.all([load(lr, "lr"), load(ref, "ref"), load(hr, "hr")]);
    wells.lr.set([small]);
    wells.refs.set([reference]);
    truth = large.image;
  } catch (error) {
    fail(error, () => useExample({ name, lr, ref, hr }));
  }
}

async function useWeights(file?: File): Promise<void> {
  const fault = element("#weights-problem");
  fault.hidden = true;
  try {
    const { parameters, channels } = await engine.useWeights(file);
    const size = `${parameters.toLocaleString("en")} parameters, ${channels} channels`;
    element("#weights").textContent = `${file?.name ?? "small, of this page"} (${size})`;
    element("#weights-reset").hidden = !file;
  } catch (error) {
    fault.textContent = error instanceof Error ? error.message : String(error);
    fault.hidden = false;
  }
}

run.addEventListener("click", () => void enlarge());
cancel.addEventListener("click", () => {
  cancel.disabled = true;
  void engine.cancel();
});
against.addEventListener("change", compare);
element("#download").addEventListener("click", () => void download().catch(fail));
element("#download-comparison").addEventListener("click", () => void downloadComparison().catch(fail));
format.addEventListener("change", showFormat);
document.addEventListener("paste", paste);
const weightsFile = element<HTMLInputElement>("#weights-file");
weightsFile.addEventListener("change", () => {
  const [file] = weightsFile.files ?? [];
  weightsFile.value = "";
  if (file) void useWeights(file);
});
element("#weights-reset").addEventListener("click", () => void useWeights());
for (const example of EXAMPLES) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = example.name;
  button.addEventListener("click", () => void useExample(example));
  element("#examples").append(button);
}
element("#not-started").remove();
void start();
// Without storage the page works all the same, online.
void keepOffline().catch(() => {});
