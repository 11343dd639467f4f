/** The comparison of networks, with peers that need no packages. */
import { expect } from "chai";
import { type Contestant, marginsOf, measurePeer, type Peer, shownCases } from "../../../bench/quality/compare.js";
import { cropSheet, FORMAT, markdown, type QualityReport, textLines } from "../../../bench/quality/report.js";
import { findTestData } from "../../../src/data/layouts.js";
import { type PreparedCase, prepareCases } from "../../../src/evaluate/evaluate.js";
import { scoreImage } from "../../../src/evaluate/scores.js";
import { cropImage, type Image } from "../../../src/image/image.js";
import { resizeBicubic } from "../../../src/image/resize.js";
import { mostChanged, zoomed } from "../../../src/image/zoom.js";
import { inFolder } from "../../files/golden.js";
import { putLayout } from "../../train/test_sets.js";

const watch = { signal: new AbortController().signal, onStep: () => {} };
const bicubic: Peer = {
  ...{ name: "bicubic again", parameters: 2_000_000 },
  enlarge: async (lr) => resizeBicubic(lr, 4 * lr.width, 4 * lr.height).data as Uint8Array,
};

/** The same, which first shows what it was given. */
const watched = (see: (lr: Image) => void): Peer => ({
  ...bicubic,
  enlarge(lr) {
    see(lr);
    return bicubic.enlarge(lr);
  },
});

/** A contestant that has nothing but PSNRs. */
const scored = (name: string, role: "ours" | "peer", psnrs: readonly number[]) =>
  ({ name, role, cases: psnrs.map((psnr, i) => ({ name: `case ${i}`, psnr })) }) as unknown as Contestant;

describe("bench:quality", () => {
  let cases: readonly PreparedCase[] = [];
  before(() =>
    inFolder(async (folder) => {
      await putLayout("CUFED5", folder);
      cases = await prepareCases(await findTestData(folder));
    }),
  );

  it("gives a peer the LR images, and cuts the padding off what it makes of them", async () => {
    const seen: Image[] = [];
    const peer = watched((lr) => seen.push(lr));
    const { images, cases: scores, mean, ...rest } = await measurePeer(peer, cases, watch);
    expect(rest).to.deep.equal({ name: "bicubic again", role: "peer", parameters: 2_000_000 });
    expect(seen).to.deep.equal(cases.map(({ lr }) => lr));
    expect(images).to.deep.equal(cases.map((one) => one.bicubic));
    for (const [i, { bicubic, original, name }] of cases.entries())
      expect(scores[i]).to.deep.equal({ name, ...scoreImage(bicubic, bicubic, original) });
    expect(mean.psnr).to.equal((scores[0]!.psnr + scores[1]!.psnr) / 2);
    expect([mean.colourShare, mean.worseBlocks]).to.deep.equal([0, 0]);
  });

  it("stops between images when told", async () => {
    const controller = new AbortController();
    const peer = watched(() => controller.abort(new Error("enough")));
    const run = measurePeer(peer, cases, { ...watch, signal: controller.signal });
    expect(await run.catch((error: Error) => error.message)).to.equal("enough");
  });

  it("compares each image with the peer that is best there", () => {
    const ours = [scored("ours, level 1", "ours", [30, 31]), scored("ours, level 5", "ours", [29, 28])];
    const margins = marginsOf([scored("a", "peer", [28, 30.5]), scored("b", "peer", [29.5, 30]), ...ours]);
    expect(margins).to.deep.equal([
      { name: "case 0", peer: "b", peerPsnr: 29.5, margins: [0.5, -0.5] },
      { name: "case 1", peer: "a", peerPsnr: 30.5, margins: [0.5, -2.5] },
    ]);
    expect(marginsOf(ours)).to.deep.equal([]);
  });

  it("shows the smallest, the median and the largest margin of what may be shown", () => {
    const margins = [3, 1, 5, 2, 4].map((margin, i) => ({ name: `${i}`, peer: "a", peerPsnr: 1, margins: [margin] }));
    expect(shownCases(["0", "1", "2", "3", "4"], margins)).to.deep.equal(["1", "0", "2"]);
    expect(shownCases(["0", "3", "4"], margins)).to.deep.equal(["3", "0", "4"]);
    expect(shownCases(["2"], margins)).to.deep.equal(["2"]);
    expect(shownCases(["a", "b", "c", "d"], [])).to.deep.equal(["a", "b", "c"]);
  });

  it("prints means and margins, for a terminal and for a document", async () => {
    const peer = await measurePeer(bicubic, cases, watch);
    const ours = { ...peer, name: "ours, level 1", role: "ours" as const, parameters: 128_387 };
    const contestants = [peer, ours];
    const report: QualityReport = {
      ...{ format: FORMAT, date: "2026-12-01T00:00:00.000Z", command: "npm run bench:quality", adapter: "adapter" },
      ...{ weights: "w", packages: { package: "1.2.3" }, cases, contestants, margins: marginsOf(contestants) },
    };
    const lines = textLines(report, contestants, cases);
    expect(lines[0]).to.equal("`npm run bench:quality` · adapter · 2026-12-01 · means over 2 images, PSNR in dB");
    expect(lines[1]).to.equal("Ours: w. Peers: package 1.2.3.");
    const cells = (name: string) => lines.map((line) => line.split(/ {2,}/)).find(([first]) => first === name);
    expect(cells("network")).to.include.members(["parameters", "PSNR-Y", "GMSD", "worse blocks"]);
    expect(cells("ours, level 1")?.slice(1, 3)).to.deep.equal(["0.13 M", peer.mean.psnr.toFixed(2)]);
    expect(cells("bicubic")?.[1]).to.equal(peer.mean.psnr.toFixed(2));
    expect(cells("001_0.png")?.slice(1)).to.deep.equal([
      ...[peer.cases[1]!.psnr.toFixed(2), peer.cases[1]!.psnr.toFixed(2), "bicubic again", "+0.00"],
    ]);
    const page = markdown(report, contestants, cases);
    expect(page).to.contain("| bicubic again | 2.00 M | ").and.to.contain("| PSNR-Y | bicubic | best peer | which |");
    const alone = { ...report, packages: {}, margins: [] };
    expect(textLines(alone, [ours], cases).join("\n"))
      .to.contain("No peers.")
      .and.not.to.contain("best peer");
  });

  it("shows crops where bicubic is furthest from the original, of no network's choice", async () => {
    const { original, bicubic: enlarged } = cases[0]!;
    const peer = await measurePeer(bicubic, cases, watch);
    const worst = { ...peer, role: "ours" as const, images: cases.map((one) => one.original) };
    const sheet = await cropSheet([peer, worst], cases, ["000_0.png"]);
    const part = zoomed(original, mostChanged(enlarged, original));
    // Gaps of 8 between the panels, captions of 28 above them.
    expect([sheet.width, sheet.height]).to.deep.equal([4 * (part.width + 8) + 8, 28 + part.height + 8]);
    const panel = (i: number) => cropImage(sheet, 8 + i * (part.width + 8), 28, part.width, part.height);
    expect(panel(0)).to.deep.equal(zoomed(enlarged, mostChanged(enlarged, original)));
    expect(panel(2)).to.deep.equal(part);
    expect(panel(3)).to.deep.equal(part);
  });
});
