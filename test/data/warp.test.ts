import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { Random } from "../../src/data/random.js";
import { SharpnessMap } from "../../src/data/sharpness.js";
import { chooseViews, drawKind, PAIR_KINDS, type PairKind } from "../../src/data/views.js";
import { homography, longestSide, type Quad, renderView } from "../../src/data/warp.js";
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
    // Seen at 2.8 photo pixels a pixel, stripes 4 pixels apart are beyond it, too: all pixels of the photo count.
    const wide = paint(300, 300, (x) => 127.5 + 100 * Math.cos((2 * Math.PI * x) / 4));
    const shrunk = renderView(wide, plain(box(5.3, 5.7, 280)), 100).data;
    expect(Math.max(...shrunk) - Math.min(...shrunk)).to.be.below(50);
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

  /** 60 pairs of a kind on a large photo, with another one of a different size. */
  function viewsOf(kind: PairKind) {
    const scene = (photo: Image) => ({ photo, sharp: new SharpnessMap(photo) });
    const [here, there] = [scene(noise(1, 640, 480)), scene(noise(2, 320, 800))];
    return Array.from({ length: 60 }, (_, sample) => {
      const views = chooseViews(here, 64, new Random({ seed: 3, epoch: 0, sample }), kind, there)!;
      const { width, height } = (kind === "other" ? there : here).photo;
      expect(views.kind).to.equal(kind);
      for (const [x, y] of views.input.corners) expect(x >= 0 && y >= 0 && x <= 640 && y <= 480).to.equal(true);
      for (const [x, y] of views.ref.corners) expect(x >= 0 && y >= 0 && x <= width && y <= height).to.equal(true);
      return views;
    });
  }
  const [least, most] = [
    (values: readonly number[]) => Math.min(...values),
    (values: readonly number[]) => Math.max(...values),
  ];
  /** The angle of the upper side in degrees. */
  const angle = ([[ax, ay], [bx, by]]: Quad) => (Math.atan2(by - ay, bx - ax) * 180) / Math.PI;

  it("are turned by any angle, scaled by 1/2 to 2, or overlap in part, if far", () => {
    const views = viewsOf("far");
    const zooms = views.map(({ zoom }) => zoom);
    expect(least(zooms)).to.be.within(0.5, 0.6);
    expect(most(zooms)).to.be.within(1.7, 2);
    for (const { input, ref, rotation, zoom } of views) {
      // Tilt moves the ends of a side by a twentieth each, at most.
      const turned = (((angle(ref.corners) - angle(input.corners) - rotation + 540) % 360) + 360) % 360;
      expect(Math.abs(turned - 180)).to.be.below(15);
      expect(longestSide(ref.corners) / longestSide(input.corners) / zoom).to.be.within(0.8, 1.25);
    }
    const turns = views.map(({ rotation }) => Math.abs(((rotation + 180) % 360) - 180));
    for (const quarter of [90, 180])
      expect(turns.filter((turn) => Math.abs(turn - quarter) <= 8)).not.to.deep.equal([]);
    const upright = views.filter(({ rotation }) => Math.abs(rotation) <= 8);
    expect(upright.length).to.be.within(5, 30);
    for (const { shift } of upright) expect(shift).to.be.within(0.35, 0.7);
    for (const { shift, rotation } of views) if (Math.abs(rotation) > 8) expect(shift).to.be.below(0.7);
  });

  it("show other parts of the same photo, or of another one, if the reference is to be poor", () => {
    for (const { input, ref, shift } of viewsOf("part")) {
      const range = (corners: Quad, axis: 0 | 1) => corners.map((corner) => corner[axis]);
      const apart = ([0, 1] as const).some((axis) => {
        const [a, b] = [range(input.corners, axis), range(ref.corners, axis)];
        return least(a) > most(b) - 16 || least(b) > most(a) - 16;
      });
      expect(apart, JSON.stringify([input.corners, ref.corners])).to.equal(true);
      expect(shift).to.be.above(0.7);
    }
    const refs = viewsOf("other").map(({ ref, shift }) => {
      expect(shift).to.be.NaN;
      return most(ref.corners.map(([, y]) => y));
    });
    expect(most(refs), "on the taller photo").to.be.above(480);
  });

  it("are near on a photo too small for another kind", () => {
    const photo = noise(1, 180, 180);
    const scene = { photo, sharp: new SharpnessMap(photo) };
    const views = chooseViews(scene, 96, new Random({ seed: 1, epoch: 0, sample: 4 }), "part");
    expect(views?.kind).to.equal("near");
  });

  it("have kinds in the shares that were asked for", () => {
    const count = (shares: { far: number; poor: number }) => {
      const kinds = Array.from({ length: 100 }, (_, i) => drawKind((i + 0.5) / 100, shares));
      return PAIR_KINDS.map((kind) => kinds.filter((one) => one === kind).length);
    };
    expect(count({ far: 0.28, poor: 0.22 })).to.deep.equal([50, 28, 11, 11]);
    expect(count({ far: 0, poor: 0 })).to.deep.equal([100, 0, 0, 0]);
    expect(count({ far: 0, poor: 1 })).to.deep.equal([0, 0, 50, 50]);
  });

  it("are not found on photos that are blurred or too small", () => {
    const random = new Random({ seed: 1, epoch: 0, sample: 0 });
    const flat = paint(400, 400, (x) => x / 2);
    expect(chooseViews({ photo: flat, sharp: new SharpnessMap(flat) }, 96, random)).to.equal(undefined);
    const small = noise(1, 100, 400);
    expect(chooseViews({ photo: small, sharp: new SharpnessMap(small) }, 96, random)).to.equal(undefined);
  });
});
