/**
 * How good a network is with good, turned, unrelated and missing references, in one table: what each reference gives, and
 * the figures by which networks of this package are judged. The references are those of a test set laid out as CUFED5,
 * and changed ones: turned, scaled, the original itself, none.
 */
import { readFile } from "node:fs/promises";
import { DataError } from "../data/errors.js";
import type { TestData } from "../data/layouts.js";
import type { Workforce } from "../data/workforce.js";
import {
  type CaseResults,
  type EvaluateOptions,
  evaluatePrepared,
  type PreparedCase,
  prepareCases,
} from "../evaluate/evaluate.js";
import { bicubicRow, SCORE_COLUMNS, scoreRow } from "../evaluate/scores.js";
import type { Device } from "../gpu/device.js";
import type { Image } from "../image/image.js";
import { orientImage } from "../image/orient.js";
import { downscale, padEnd, REF_MULTIPLE } from "../image/pairs.js";
import { resizeBicubic } from "../image/resize.js";
import type { Masa } from "../masa/masa.js";
import type { Result, Table } from "./result.js";

/** PSNR on Y of the images of a network without a reference, from the file of `npm run bench:quality -- --json`. */
export interface PeerScores {
  readonly name: string;
  readonly cases: readonly { readonly name: string; readonly psnr: number }[];
}

export interface TargetsOptions {
  readonly data: TestData;
  readonly weights: string;
  readonly peers?: readonly PeerScores[] | undefined;
  readonly limit?: number | undefined;
  readonly workforce?: Workforce | undefined;
  readonly signal: AbortSignal;
  readonly onStatus: (status: string) => void;
}

const scaled = (factor: number) => (ref: Image) =>
  resizeBicubic(ref, Math.round(factor * ref.width), Math.round(factor * ref.height));
/** What is done to references of level 1, whose PSNR is then compared with theirs. */
const CHANGES = {
  "level 1, turned by 90°": (ref: Image) => orientImage(ref, 6),
  "level 1, turned by 180°": (ref: Image) => orientImage(ref, 3),
  "level 1, scaled ×½": scaled(1 / 2),
  "level 1, scaled ×2": scaled(2),
} as const satisfies Record<string, (ref: Image) => Image>;
type Change = keyof typeof CHANGES;
const CHANGE_NAMES = Object.keys(CHANGES) as Change[];

/** The case with another reference. */
export function withReference(test: PreparedCase, reference: Image): PreparedCase {
  const ref = padEnd(reference, REF_MULTIPLE);
  return { ...test, ref, refDown: downscale(ref) };
}

/** What each reference gives. */
export interface Measured {
  readonly best: CaseResults;
  readonly worst: CaseResults;
  readonly itself: CaseResults;
  readonly none: CaseResults;
  readonly changed: Readonly<Record<Change, CaseResults>>;
}

/** Throws `DataError` where the images do not have several references, or the peers were measured on others. */
export async function targets(device: Device, masa: Masa, options: TargetsOptions): Promise<Result> {
  const { data, limit } = options;
  const cases = data.cases.slice(0, limit);
  const last = Math.min(...cases.map(({ refs }) => refs.length));
  if (last < 2)
    throw new DataError(
      "the test set has one reference per image",
      "Give images with several references, laid out as CUFED5: NNN_0.png, NNN_1.png (most similar), NNN_2.png, …",
    );
  const margins = options.peers && marginsOver(options.peers);
  margins?.(cases.map(({ name }) => ({ name, psnr: 0 })));
  const measured = await measure(device, masa, options, last);
  const row = (name: string, { mean }: CaseResults) => [
    ...[name, ...scoreRow(mean), (mean.psnr - mean.bicubicPsnr).toFixed(2), mean.similarity.toFixed(3)],
  ];
  const named: readonly (readonly [string, CaseResults])[] = [
    ["level 1", measured.best],
    [`level ${last}`, measured.worst],
    ...CHANGE_NAMES.map((name) => [name, measured.changed[name]] as const),
    ["the original itself", measured.itself],
  ];
  return {
    name: "targets",
    title: "Good, turned, unrelated and missing references",
    text: [
      `Means over ${cases.length} images; PSNR in dB. The weights are ${options.weights}. Level 1 is the most similar reference, ` +
        `level ${last} the least. Without a reference, the decoder of the same network gets zeros in place of the reference's ` +
        "features. Turned references are exact; scaled ones are resized by Pillow's bicubic.",
    ],
    tables: [
      {
        title: "What each reference gives",
        columns: ["reference", ...SCORE_COLUMNS, "gain on Y", "similarity"],
        rows: [
          ...named.map(([name, results]) => row(name, results)),
          [...row("none", measured.none).slice(0, -1), ""],
          ["bicubic", ...bicubicRow(measured.best.mean), "", ""],
        ],
      },
      criteria(measured, last, margins?.(measured.best.cases)),
    ],
    figures: [],
    data: measured,
  };
}

async function measure(device: Device, masa: Masa, options: TargetsOptions, last: number): Promise<Measured> {
  const { data, limit, workforce, signal, onStatus } = options;
  const evaluate = (title: string, tests: readonly PreparedCase[], more: EvaluateOptions = {}) => {
    const onCase = (_: unknown, done: number, total: number) => onStatus(`${title}: image ${done}/${total}`);
    return evaluatePrepared(device, masa, tests, { workforce, signal, onCase, ...more });
  };
  const tests = await prepareCases(data, { level: 1, limit });
  const best = await evaluate("level 1", tests);
  const none = await evaluate("no reference", tests, { reference: false });
  const itself = await evaluate(
    "the original itself",
    tests.map((test) => withReference(test, test.hr)),
  );
  const changed: [Change, CaseResults][] = [];
  for (const name of CHANGE_NAMES) {
    const turned = tests.map((test) => withReference(test, CHANGES[name](test.ref)));
    changed.push([name, await evaluate(name, turned)]);
  }
  const worst = await evaluate(`level ${last}`, await prepareCases(data, { level: last, limit }));
  return { best, worst, itself, none, changed: Object.fromEntries(changed) as Record<Change, CaseResults> };
}

/** The figures by which a network is judged. */
function criteria(
  { best, worst, none, changed }: Measured,
  last: number,
  margins: readonly number[] | undefined,
): Table {
  const { mean } = best;
  const signed = (value: number) => `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}`;
  const losses = CHANGE_NAMES.map((name) => [name, mean.psnr - changed[name].mean.psnr] as const);
  const rows: [string, string][] = [
    ["PSNR-Y, level 1", mean.psnr.toFixed(2)],
    ["gain of level 1 over no reference", signed(mean.psnr - none.mean.psnr)],
    [`level ${last} relative to no reference`, signed(worst.mean.psnr - none.mean.psnr)],
    ...losses.map(([name, loss]): [string, string] => [`loss: ${name}`, signed(loss)]),
    ["largest of these losses", signed(Math.max(...losses.map(([, loss]) => loss)))],
    [
      "gain in RGB PSNR ÷ gain in Y PSNR, level 1",
      ((mean.psnrRgb - mean.bicubicPsnrRgb) / (mean.psnr - mean.bicubicPsnr)).toFixed(2),
    ],
    ["colour share ÷ colour share needed, level 1", (mean.colourShare / mean.colourShareNeeded).toFixed(2)],
    [`blocks clearly worse than bicubic, level ${last}`, `${(100 * worst.mean.worseBlocks).toFixed(1)} %`],
  ];
  if (margins) {
    const enough = margins.filter((margin) => margin >= ENOUGH).length;
    const range = `${signed(Math.min(...margins))} to ${signed(Math.max(...margins))}`;
    rows.push([
      "margin over the best other network, level 1",
      `${range}, ≥ ${ENOUGH} in ${enough} of ${margins.length}`,
    ]);
  }
  return { title: "Criteria (PSNR in dB)", columns: ["", "value"], rows };
}

/** dB by which an image should be better than that of every other network. */
const ENOUGH = 0.5;

/** PSNR of each image minus that of the best peer. Throws `DataError` where a peer lacks an image. */
function marginsOver(peers: readonly PeerScores[]) {
  return (cases: readonly { readonly name: string; readonly psnr: number }[]): number[] =>
    cases.map(({ name, psnr }) => {
      const others = peers.map((peer) => {
        const score = peer.cases.find((one) => one.name === name);
        if (score) return score.psnr;
        throw new DataError(
          `${peer.name} was not measured on ${name}`,
          "Run npm run bench:quality --json with the same --data",
        );
      });
      return psnr - Math.max(...others);
    });
}

/** The peers in a file of `npm run bench:quality -- --json`. Throws `DataError`. */
export async function readPeers(path: string): Promise<PeerScores[]> {
  const text = await readFile(path, "utf8").catch((error: Error) => {
    throw new DataError(`${path} cannot be read (${error.message})`, "Check the path");
  });
  try {
    const { contestants } = JSON.parse(text) as {
      contestants: readonly (PeerScores & { readonly role: string })[];
    };
    const peers = contestants.filter(({ role }) => role === "peer");
    if (peers.length > 0 && peers.every(({ name, cases }) => typeof name === "string" && Array.isArray(cases)))
      return peers;
  } catch {
    // Not such a file, as below.
  }
  throw new DataError(
    `${path} holds no scores of other networks`,
    "Give the file that npm run bench:quality -- --json wrote",
  );
}
