/**
 * What networks make of the same LR images, measured alike: ours with references of each level, and networks that take
 * no reference. Which crops are shown follows a rule that looks at no network's output.
 */
import type { TestData } from "../../src/data/layouts.js";
import { evaluatePrepared, type PreparedCase, prepareCases } from "../../src/evaluate/evaluate.js";
import { type BicubicScores, type ImageScores, meanOfImages, scoreImage } from "../../src/evaluate/scores.js";
import type { Device } from "../../src/gpu/device.js";
import { createImage, cropImage, type Image } from "../../src/image/image.js";
import { SCALE } from "../../src/image/pairs.js";
import type { Masa } from "../../src/masa/masa.js";

/** A network without a reference. */
export interface Peer {
  readonly name: string;
  readonly parameters: number;
  /** 8-bit RGB samples of the image four times as wide and high. */
  enlarge(lr: Image): Promise<Uint8Array>;
}

export interface CaseScores extends ImageScores {
  readonly name: string;
}

/** A network, ours with one level of reference. */
export interface Contestant {
  readonly name: string;
  readonly role: "ours" | "peer";
  readonly parameters: number;
  readonly cases: readonly CaseScores[];
  readonly mean: ImageScores;
  /** The enlarged images, in the order of the cases. */
  readonly images: readonly Image[];
}

/** The cases without their references: what all contestants share. */
export type Subject = Pick<PreparedCase, "name" | "original" | "bicubic"> & { readonly bicubicScores: BicubicScores };

interface Watch {
  readonly signal: AbortSignal;
  readonly onStep: (step: string) => void;
}

/** Ours with the references of each level. Throws what `evaluate` throws. */
export async function measureOurs(
  device: Device,
  masa: Masa,
  data: TestData,
  {
    levels,
    limit,
    signal,
    onStep,
  }: Watch & { readonly levels: readonly number[]; readonly limit?: number | undefined },
): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const level of levels) {
    const name = `ours, level ${level}`;
    const images: Image[] = [];
    const { cases } = await evaluatePrepared(device, masa, await prepareCases(data, { level, limit }), {
      signal,
      onImage: (_, image) => void images.push(image),
      onCase: (_, done, total) => onStep(`${name}: image ${done}/${total}`),
    });
    contestants.push({
      name,
      role: "ours",
      parameters: masa.parameters.count,
      cases,
      mean: meanOfImages(cases),
      images,
    });
  }
  return contestants;
}

/** A peer on the LR images of the prepared cases. */
export async function measurePeer(
  peer: Peer,
  tests: readonly PreparedCase[],
  { signal, onStep }: Watch,
): Promise<Contestant> {
  const { name, parameters } = peer;
  const images: Image[] = [];
  const cases: CaseScores[] = [];
  for (const test of tests) {
    signal.throwIfAborted();
    const { lr, original, bicubic, padding } = test;
    const whole = createImage(SCALE * lr.width, SCALE * lr.height, 3, 8, await peer.enlarge(lr));
    const image = cropImage(whole, padding.left, padding.top, original.width, original.height);
    images.push(image);
    cases.push({ name: test.name, ...scoreImage(image, bicubic, original) });
    onStep(`${name}: image ${cases.length}/${tests.length}`);
  }
  return { name, role: "peer", parameters, cases, mean: meanOfImages(cases), images };
}

/** Ours beside the best peer of each case, by PSNR on Y. */
export interface Margin {
  readonly name: string;
  readonly peer: string;
  readonly peerPsnr: number;
  /** PSNR of ours minus that of the best peer, a value for each level. */
  readonly margins: readonly number[];
}

/** Without peers there are none. */
export function marginsOf(contestants: readonly Contestant[]): Margin[] {
  const [ours, peers] = [
    contestants.filter(({ role }) => role === "ours"),
    contestants.filter(({ role }) => role === "peer"),
  ];
  if (peers.length === 0) return [];
  return (ours[0]?.cases ?? []).map(({ name }, i) => {
    const psnrOf = ({ cases }: Contestant) => (cases[i] as CaseScores).psnr;
    const best = peers.reduce((a, b) => (psnrOf(b) > psnrOf(a) ? b : a));
    const margins = ours.map((one) => psnrOf(one) - psnrOf(best));
    return { name, peer: best.name, peerPsnr: psnrOf(best), margins };
  });
}

/**
 * The cases whose crops are shown: those with the smallest, the median and the largest margin of our first level over the
 * best peer, of the cases that may be shown. Without margins, the first three.
 */
export function shownCases(names: readonly string[], margins: readonly Margin[]): string[] {
  if (margins.length === 0) return names.slice(0, 3);
  const ranked = margins
    .filter(({ name }) => names.includes(name))
    .sort((a, b) => (a.margins[0] as number) - (b.margins[0] as number))
    .map(({ name }) => name);
  const places = [0, Math.floor((ranked.length - 1) / 2), ranked.length - 1];
  return [...new Set(places.map((place) => ranked[place] as string))];
}
