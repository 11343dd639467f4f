/** The metrics of an evaluation: of one image, of many, and as a table. All are defined in `src/image`. */
import { colourShare, worseBlocks } from "../image/added.js";
import { gmsd } from "../image/gmsd.js";
import type { Image } from "../image/image.js";
import { psnr, psnrCbCr, psnrY, ssimY } from "../image/metrics.js";

/** How close the network's image is to the original. NaN where its output holds a value that is infinite or NaN. */
export interface ImageScores {
  /** PSNR on Y in dB, as the paper reports it; Infinity for equal images. */
  readonly psnr: number;
  /** SSIM on Y. */
  readonly ssim: number;
  /** PSNR over R, G and B in dB. */
  readonly psnrRgb: number;
  /** PSNR over Cb and Cr in dB. */
  readonly psnrCbCr: number;
  /** Gradient magnitude similarity deviation of luma, a perceptual metric: 0 is best. */
  readonly gmsd: number;
  /** Energy of Cb and Cr in (result − bicubic) over that of Y, Cb and Cr. */
  readonly colourShare: number;
  /** Share of 16×16 blocks that are clearly worse than bicubic's; `worseBlocks` says when. */
  readonly worseBlocks: number;
}

/** The same of Pillow's bicubic enlargement, which depends on no network. */
export interface BicubicScores {
  readonly bicubicPsnr: number;
  readonly bicubicSsim: number;
  readonly bicubicPsnrRgb: number;
  readonly bicubicPsnrCbCr: number;
  readonly bicubicGmsd: number;
  /** `colourShare` of the original: the colour that a perfect enlargement adds to bicubic. */
  readonly colourShareNeeded: number;
}

/** The scores of one image, or the means of many. */
export interface Scores extends ImageScores, BicubicScores {
  /** Mean cosine similarity of the LR pixels' patches with their matches: how much of LR the reference shows. */
  readonly similarity: number;
  /** The network's run with upload and readback; preparation, compilation and metrics are not in it. */
  readonly milliseconds: number;
}

/** Throws `ImageError` where the images differ in size or are smaller than 11×11. */
export function scoreImage(image: Image, bicubic: Image, original: Image): ImageScores {
  return {
    psnr: psnrY(image, original),
    ssim: ssimY(image, original),
    psnrRgb: psnr(image, original),
    psnrCbCr: psnrCbCr(image, original),
    gmsd: gmsd(image, original),
    colourShare: colourShare(image, bicubic),
    worseBlocks: worseBlocks(image, bicubic, original),
  };
}

/** The scores where the network gave no image. */
export const NO_IMAGE: ImageScores = {
  psnr: Number.NaN,
  ssim: Number.NaN,
  psnrRgb: Number.NaN,
  psnrCbCr: Number.NaN,
  gmsd: Number.NaN,
  colourShare: Number.NaN,
  worseBlocks: Number.NaN,
};

/** Throws what `scoreImage` throws. */
export function scoreBicubic(bicubic: Image, original: Image): BicubicScores {
  return {
    bicubicPsnr: psnrY(bicubic, original),
    bicubicSsim: ssimY(bicubic, original),
    bicubicPsnrRgb: psnr(bicubic, original),
    bicubicPsnrCbCr: psnrCbCr(bicubic, original),
    bicubicGmsd: gmsd(bicubic, original),
    colourShareNeeded: colourShare(original, bicubic),
  };
}

/** The mean of each score. */
export function meanOf(cases: readonly Scores[]): Scores {
  const of = mean(cases);
  return {
    ...meanOfImages(cases),
    bicubicPsnr: of("bicubicPsnr"),
    bicubicSsim: of("bicubicSsim"),
    bicubicPsnrRgb: of("bicubicPsnrRgb"),
    bicubicPsnrCbCr: of("bicubicPsnrCbCr"),
    bicubicGmsd: of("bicubicGmsd"),
    colourShareNeeded: of("colourShareNeeded"),
    similarity: of("similarity"),
    milliseconds: of("milliseconds"),
  };
}

/** The same of networks that match nothing. */
export function meanOfImages(cases: readonly ImageScores[]): ImageScores {
  const of = mean(cases);
  return {
    psnr: of("psnr"),
    ssim: of("ssim"),
    psnrRgb: of("psnrRgb"),
    psnrCbCr: of("psnrCbCr"),
    gmsd: of("gmsd"),
    colourShare: of("colourShare"),
    worseBlocks: of("worseBlocks"),
  };
}

function mean<Name extends string>(cases: readonly Readonly<Record<Name, number>>[]): (name: Name) => number {
  return (name) => cases.reduce((sum, scores) => sum + scores[name], 0) / cases.length;
}

/** Titles of the columns of `scoreRow` and `bicubicRow`. PSNR in dB. */
export const SCORE_COLUMNS = ["PSNR-Y", "SSIM-Y", "RGB", "Cb/Cr", "GMSD", "colour share", "worse blocks"] as const;

export function scoreRow(scores: ImageScores): string[] {
  const { psnr, ssim, psnrRgb, psnrCbCr, gmsd, colourShare, worseBlocks } = scores;
  return [...decibels(psnr, ssim, psnrRgb, psnrCbCr, gmsd), percent(colourShare), percent(worseBlocks)];
}

/** In the column of the colour share stands what the originals add to bicubic. */
export function bicubicRow(scores: BicubicScores): string[] {
  const { bicubicPsnr, bicubicSsim, bicubicPsnrRgb, bicubicPsnrCbCr, bicubicGmsd, colourShareNeeded } = scores;
  const needed = `needed ${percent(colourShareNeeded)}`;
  return [...decibels(bicubicPsnr, bicubicSsim, bicubicPsnrRgb, bicubicPsnrCbCr, bicubicGmsd), needed, ""];
}

function decibels(psnr: number, ssim: number, rgb: number, cbcr: number, gmsd: number): string[] {
  return [psnr.toFixed(2), ssim.toFixed(4), rgb.toFixed(2), cbcr.toFixed(2), gmsd.toFixed(4)];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
