import { expect } from "chai";
import {
  bicubicRow,
  meanOf,
  NO_IMAGE,
  SCORE_COLUMNS,
  type Scores,
  scoreImage,
  scoreRow,
} from "../../src/evaluate/scores.js";
import { createImage } from "../../src/image/image.js";
import { fillNoise } from "../files/golden.js";

const SCORES: Scores = {
  ...{
    psnr: 28.7319,
    ssim: 0.813356,
    psnrRgb: 27.2,
    psnrCbCr: 44.85,
    gmsd: 0.09876,
    colourShare: 0.0089,
    worseBlocks: 0.5,
  },
  ...{ bicubicPsnr: 26.786, bicubicSsim: 0.7329, bicubicPsnrRgb: 25.3, bicubicPsnrCbCr: 44.62, bicubicGmsd: 0.14 },
  ...{ colourShareNeeded: 0.0486, similarity: 0.9, milliseconds: 100 },
};

describe("scores", () => {
  it("become rows of a table, a cell for each column", () => {
    expect(scoreRow(SCORES)).to.deep.equal(["28.73", "0.8134", "27.20", "44.85", "0.0988", "0.9 %", "50.0 %"]);
    expect(bicubicRow(SCORES)).to.deep.equal(["26.79", "0.7329", "25.30", "44.62", "0.1400", "needed 4.9 %", ""]);
    for (const row of [scoreRow(SCORES), bicubicRow(SCORES)]) expect(row).to.have.length(SCORE_COLUMNS.length);
    expect(new Set(scoreRow(NO_IMAGE))).to.deep.equal(new Set(["NaN", "NaN %"]));
  });

  it("have means", () => {
    const double = Object.fromEntries(Object.entries(SCORES).map(([name, score]) => [name, 3 * score]));
    for (const [name, score] of Object.entries(meanOf([SCORES, double as unknown as Scores])))
      expect(score, name).to.be.closeTo(2 * SCORES[name as keyof Scores], 1e-12 * Math.abs(score));
  });

  it("are perfect for the original", () => {
    const [original, bicubic] = [1, 2].map((seed) => fillNoise(createImage(20, 20, 3, 8), seed)) as [
      ReturnType<typeof createImage>,
      ReturnType<typeof createImage>,
    ];
    const { psnr, ssim, psnrRgb, psnrCbCr, gmsd, worseBlocks } = scoreImage(original, bicubic, original);
    const infinity = Number.POSITIVE_INFINITY;
    expect({ psnr, psnrRgb, psnrCbCr, gmsd, worseBlocks }).to.deep.equal({
      ...{ psnr: infinity, psnrRgb: infinity, psnrCbCr: infinity, gmsd: 0, worseBlocks: 0 },
    });
    expect(ssim).to.be.closeTo(1, 1e-12);
  });
});
