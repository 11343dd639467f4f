import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { Random } from "../../src/data/random.js";
import { SharpnessMap } from "../../src/data/sharpness.js";
import { chooseViews } from "../../src/data/views.js";
import { homography, type Quad, renderView } from "../../src/data/warp.js";
import { decodePng } from "../../src/files/png.js";
import { createImage, cropImage, type Image } from "../../src/image/image.js";
import { psnrY } from "../../src/image/metrics.js";
import { noise } from "./files.js";

const ALOE = fileURLToPath(new URL("../../../examples/data/aloe_hr.png", import.meta.url));
const aloe = () => decodePng(readFileSync(ALOE), ALOE);
const plain = (corners: Quad) => ({ corners, gamma: 1, gain: [1, 1, 1] as const });
const box = (left: number, top: number, size: number): Quad => [
  [left, top],
  [left + size, top],
  [left + size, top + size],
  [left, top + size],
];

/** An image of a function of the place of each pixel's centre. */
function paint(width: number, height: number, value: (x: number, y: number) => number): Image {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return Math.round(value((pixel % width) + 0.5, Math.floor(pixel / width) + 0.5));
  });
  return createImage(width, height, 3, 8, data);
}

describe("views", () => {
  it("map the unit square onto the corners, straight lines onto straight lines", () => {
    const corners: Quad = [
      [3, 5],
      [40, 9],
      [37, 52],
      [-4, 44],
    ];
    const project = homography(corners);
    const ends = [project(0, 0), project(1, 0), project(1, 1), project(0, 1)];
    for (const [i, [x, y]] of ends.entries()) {
      expect(x).to.be.closeTo(corners[i]![0], 1e-12);
      expect(y).to.be.closeTo(corners[i]![1], 1e-12);
    }
    const [[ax, ay], [bx, by], [cx, cy]] = [project(0.1, 0.2), project(0.4, 0.5), project(0.7, 0.8)];
    expect((bx - ax) * (cy - ay)).to.be.closeTo((by - ay) * (cx - ax), 1e-9);
  });

  it("keep the detail of a window that is not warped", () => {
    const photo = aloe();
    expect(psnrY(renderView(photo, plain(box(100, 60, 160)), 160), cropImage(photo, 100, 60, 160, 160))).to.be.above(
      40,
    );
  });

  it("show a gradient where the homography says, with gamma and gain", () => {
    const photo = paint(200, 200, (x, y) => 20 + 0.5 * x + 0.4 * y);
    const corners: Quad = [
      [20, 30],
      [150, 22],
      [170, 160],
      [25, 150],
    ];
    const view = renderView(photo, { corners, gamma: 1.1, gain: [0.95, 1, 1.05] }, 96);
    const project = homography(corners);
    for (const [x, y] of [
      [5, 5],
      [48, 48],
      [90, 12],
      [30, 80],
    ] as const) {
      const [px, py] = project((x + 0.5) / 96, (y + 0.5) / 96);
      const light = ((20 + 0.5 * px + 0.4 * py) / 255) ** 1.1 * 255;
      for (const [c, gain] of [0.95, 1, 1.05].entries())
        expect(view.data[3 * (y * 96 + x) + c]).to.be.closeTo(gain * light, 1.6);
    }
  });

  it("do not alias: detail finer than their pixels becomes grey", () => {
    // Stripes 2.4 pixels apart, seen at 1.5 photo pixels a pixel: 1.6 pixels apart, beyond what an image can show.
    // Of their contrast of 200, sampling without a filter would leave 190 as false, broad stripes.
    const stripes = paint(200, 200, (x) => 127.5 + 100 * Math.cos((2 * Math.PI * x) / 2.4));
    const { data } = renderView(stripes, plain(box(10.3, 10.7, 150)), 100);
    expect(Math.max(...data) - Math.min(...data)).to.be.below(50);
    // The control: twice as coarse they are seen.
    const coarse = paint(200, 200, (x) => 127.5 + 100 * Math.cos((2 * Math.PI * x) / 9.6));
    const seen = renderView(coarse, plain(box(10.3, 10.7, 150)), 100).data;
    expect(Math.max(...seen) - Math.min(...seen)).to.be.above(150);
  });

  it("are chosen in the sharp part of a photo, inside it, alike enough to be a pair", () => {
    // Left half flat, right half detailed.
    const photo = noise(1, 640, 320);
    for (let y = 0; y < 320; y++) photo.data.fill(90, 3 * 640 * y, 3 * (640 * y + 320));
    const sharp = new SharpnessMap(photo);
    expect(sharp.share(box(0, 0, 320))).to.equal(0);
    expect(sharp.share(box(320, 0, 320))).to.equal(1);
    expect(sharp.share(box(160, 0, 320))).to.be.within(0.4, 0.6);
    const seen = new Set<string>();
    for (let sample = 0; sample < 50; sample++) {
      const views = chooseViews({ photo, sharp }, 96, new Random({ seed: 1, epoch: 0, sample }))!;
      expect(views.sharpness).to.be.at.least(0.6);
      expect(views.shift).to.be.within(0, 0.35);
      expect(Math.abs(views.rotation)).to.be.at.most(16);
      expect(views.zoom).to.be.within(1 / 1.5, 1.5);
      for (const { corners } of [views.input, views.ref]) {
        for (const [x, y] of corners) expect(x >= 0 && y >= 0 && x <= 640 && y <= 320).to.equal(true);
        expect(corners.reduce((sum, [x]) => sum + x, 0) / 4).to.be.above(320);
        for (const [i, [x, y]] of corners.entries()) {
          const [nx, ny] = corners[(i + 1) % 4]!;
          expect(Math.hypot(nx - x, ny - y) / 96).to.be.within(0.9, 2);
        }
      }
      seen.add(JSON.stringify(views));
    }
    expect(seen.size).to.equal(50);
  });

  it("are not found on photos that are blurred or too small", () => {
    const random = new Random({ seed: 1, epoch: 0, sample: 0 });
    const flat = paint(400, 400, (x) => x / 2);
    expect(chooseViews({ photo: flat, sharp: new SharpnessMap(flat) }, 96, random)).to.equal(undefined);
    const small = noise(1, 100, 400);
    expect(chooseViews({ photo: small, sharp: new SharpnessMap(small) }, 96, random)).to.equal(undefined);
  });
});
