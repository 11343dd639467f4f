import { createHash } from "node:crypto";
import { expect } from "chai";
import { convertScaleAbs, makeSample, NO_AUGMENTATION, orient } from "../../src/data/augment.js";
import { Random } from "../../src/data/random.js";
import { createImage, cropImage, type Image } from "../../src/image/image.js";
import { trainPair } from "../../src/image/pairs.js";
import { noise } from "./files.js";

const random = (sample: number) => new Random({ seed: 1, epoch: 0, sample });
const samples = (count: number) => Array.from({ length: count }, (_, i) => random(i));
const same = (a: Image, b: Image) =>
  a.width === b.width && a.height === b.height && Buffer.from(a.data).equals(Buffer.from(b.data));

describe("augmentation", () => {
  it("changes contrast and brightness as OpenCV", () => {
    // OpenCV 5.0.0 (AVX2) of all 256 values; in each of the last four a product rounded before the sum, or a sum in
    // float64, would differ in one value.
    const cases: [alpha: number, beta: number, sha256: string][] = [
      [1.3, 20.0, "d276e20f0b342a480e1a031965a35ac1fa0cd7e3ea61379731053195f6beb5c2"],
      [0.7, -20.0, "23b2cbe355e444d5aca04c4ed905259737b71bf9dd3fe9e3fb86b88b3e29e56f"],
      [1.0, 0.5, "ad8e59689895f882494fa38935a11e35979c71496090343c1cfc0ccc9bc09bd9"],
      [0.75, -12.25, "e329eac39213f382b9795f788a9afdbe805ce11b1acae05497ed964ffc89fb77"],
      [0.9108575315373717, 9.38679165788956, "df1e19ba56205f2209259fa295c626a5697daee3da08e0b9c6313eba3f003bd5"],
      [0.9962704044062194, 19.301860983450048, "dd17972e28a9f620ed697bcfc74a7268144a5d1e9172a9491450a186067d0b97"],
      [0.8761500391055626, 9.109337632631625, "9053b67991b14f3c35b62c96f36556770e49c54ef3fc37222e0355da5d29c6c9"],
      [0.9274399700502001, 11.19135632787377, "13edd0a32e2c6c80429bf6ccfed3291195a206d9350b419fb78adc089bce89d2"],
    ];
    const all = createImage(
      16,
      16,
      1,
      8,
      Uint8Array.from({ length: 256 }, (_, v) => v),
    );
    for (const [alpha, beta, sha256] of cases) {
      const { data } = convertScaleAbs(all, alpha, beta);
      expect(createHash("sha256").update(data).digest("hex"), `${alpha}, ${beta}`).to.equal(sha256);
    }
  });

  it("flips and turns as torch.flip and torch.rot90", () => {
    const image = createImage(3, 2, 1, 8, Uint8Array.of(1, 2, 3, 4, 5, 6));
    const oriented = (flipY: boolean, flipX: boolean, turns: number) => {
      const { width, height, data } = orient(image, { flipY, flipX, turns });
      return { width, height, data: [...data] };
    };
    expect(oriented(false, false, 0)).to.deep.equal({ width: 3, height: 2, data: [1, 2, 3, 4, 5, 6] });
    expect(oriented(true, false, 0)).to.deep.equal({ width: 3, height: 2, data: [4, 5, 6, 1, 2, 3] });
    expect(oriented(false, true, 0)).to.deep.equal({ width: 3, height: 2, data: [3, 2, 1, 6, 5, 4] });
    expect(oriented(false, false, 1)).to.deep.equal({ width: 2, height: 3, data: [3, 6, 2, 5, 1, 4] });
    expect(oriented(false, false, 2)).to.deep.equal({ width: 3, height: 2, data: [6, 5, 4, 3, 2, 1] });
    expect(oriented(false, false, 3)).to.deep.equal({ width: 2, height: 3, data: [4, 1, 5, 2, 6, 3] });
    expect(oriented(true, false, 1)).to.deep.equal({ width: 2, height: 3, data: [6, 3, 5, 2, 4, 1] });
    const rgb = noise(1, 3, 2);
    const twice = orient(orient(rgb, { flipY: true, flipX: false, turns: 1 }), { flipY: true, flipX: false, turns: 1 });
    expect(twice).to.deep.equal(rgb);
  });

  it("is the official preparation without any change", () => {
    const [hr, ref] = [noise(1, 60, 50), noise(2, 49, 64)];
    expect(makeSample([hr, ref], 64, random(0), NO_AUGMENTATION)).to.deep.equal(trainPair(hr, ref));
  });

  it("exchanges image and reference for about half of the samples, and changes nothing else", () => {
    const [hr, ref] = [noise(1), noise(2)];
    const exchanged = samples(400).map((r) => {
      const sample = makeSample([hr, ref], 32, r, { ...NO_AUGMENTATION, exchange: true });
      const swapped = same(sample.hr, ref);
      expect(sample).to.deep.equal(swapped ? trainPair(ref, hr) : trainPair(hr, ref));
      return swapped;
    });
    // Binomial, standard deviation 10: four of them.
    expect(exchanged.filter(Boolean)).to.have.length.within(160, 240);
  });

  it("changes the colours of one of the two, LR with HR, before the downscaling", () => {
    const flat = createImage(32, 32, 3, 8, new Uint8Array(3 * 32 * 32).fill(100));
    const values = samples(200).map((r) => {
      const { hr, lr, ref, refDown } = makeSample([flat, flat], 32, r, { ...NO_AUGMENTATION, colour: true });
      expect([lr.data[0], refDown.data[0]]).to.deep.equal([hr.data[0], ref.data[0]]);
      expect([hr.data[0], ref.data[0]]).to.include(100);
      return { hr: hr.data[0]!, ref: ref.data[0]! };
    });
    expect(values.filter(({ hr }) => hr !== 100).length).to.be.within(60, 140);
    const changed = values.map(({ hr, ref }) => (hr === 100 ? ref : hr));
    expect(Math.min(...changed)).to.be.within(50, 65);
    expect(Math.max(...changed)).to.be.within(135, 150);
  });

  it("turns LR with HR and refDown with Ref, each its own way, in all eight ways", () => {
    const [hr, ref] = [noise(1), noise(2)];
    const ways = [false, true].flatMap((flipY) => [0, 1, 2, 3].map((turns) => ({ flipY, flipX: false, turns })));
    const plain = trainPair(hr, ref);
    const counts = new Map<string, number>();
    for (const r of samples(1000)) {
      const sample = makeSample([hr, ref], 32, r, { ...NO_AUGMENTATION, geometry: true });
      const hrWay = ways.findIndex((way) => same(sample.hr, orient(hr, way)));
      const refWay = ways.findIndex((way) => same(sample.ref, orient(ref, way)));
      expect(same(sample.lr, orient(plain.lr, ways[hrWay]!))).to.equal(true);
      expect(same(sample.refDown, orient(plain.refDown, ways[refWay]!))).to.equal(true);
      for (const key of [`hr ${hrWay}`, `ref ${refWay}`, `both ${hrWay === refWay}`])
        counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    // Flips of both directions are a half turn: 1/16 for each of the four ways with a quarter turn, 3/16 for the others.
    for (let way = 0; way < 8; way++)
      for (const of of ["hr", "ref"]) expect(counts.get(`${of} ${way}`), `${of} ${way}`).to.be.above(30);
    expect(counts.get("both false")).to.be.above(700);
  });

  it("turns both images the same way when told to turn them together", () => {
    const [hr, ref] = [noise(1), noise(2)];
    const ways = [false, true].flatMap((flipY) => [0, 1, 2, 3].map((turns) => ({ flipY, flipX: false, turns })));
    const plain = trainPair(hr, ref);
    const seen = new Set<number>();
    for (const [i, r] of [...samples(100)].entries()) {
      const sample = makeSample([hr, ref], 32, r, { ...NO_AUGMENTATION, geometry: true, together: true });
      const way = ways.findIndex((one) => same(sample.hr, orient(hr, one)));
      seen.add(way);
      expect(same(sample.ref, orient(ref, ways[way]!)), `${i}`).to.equal(true);
      expect(same(sample.refDown, orient(plain.refDown, ways[way]!)), `${i}`).to.equal(true);
    }
    expect(seen.size).to.equal(8);
  });

  it("cuts windows at one relative place out of larger images, anywhere", () => {
    const [hr, ref] = [noise(1, 40, 36), noise(2, 48, 32)];
    const lefts = new Set<number>();
    for (const r of samples(100)) {
      const sample = makeSample([hr, ref], 32, r, NO_AUGMENTATION);
      const places = Array.from({ length: 9 }, (_, left) => left).flatMap((left) =>
        Array.from({ length: 5 }, (_, top) => ({ left, top })),
      );
      const place = places.find(({ left, top }) => same(sample.hr, cropImage(hr, left, top, 32, 32)))!;
      const refLefts = Array.from({ length: 17 }, (_, left) => left);
      const refLeft = refLefts.find((left) => same(sample.ref, cropImage(ref, left, 0, 32, 32)))!;
      lefts.add(place.left);
      // floor(9·u) and floor(17·u) of one u.
      expect(refLeft / 17).to.be.within((place.left - 1) / 9, (place.left + 1) / 9);
    }
    expect(lefts.size).to.equal(9);
  });

  it("takes grey, alpha and 16 bits", () => {
    for (const channels of [1, 2, 3, 4] as const) {
      for (const depth of [8, 16] as const) {
        const image = noise(channels, 32, 32, channels, depth);
        const { hr, refDown } = makeSample([image, image], 32, random(0), {
          exchange: true,
          colour: true,
          geometry: true,
        });
        expect([hr.channels, hr.bitDepth, refDown.channels, refDown.bitDepth]).to.deep.equal([3, 8, 3, 8]);
      }
    }
  });

  it("draws the same whatever is switched on", () => {
    const [hr, ref] = [noise(1), noise(2)];
    const turned = makeSample([hr, ref], 32, random(3), { ...NO_AUGMENTATION, geometry: true });
    const all = makeSample([hr, ref], 32, random(3), { exchange: false, colour: true, geometry: true });
    expect([same(turned.hr, all.hr), same(turned.ref, all.ref)]).to.include(true);
    const again = makeSample([hr, ref], 32, random(3), { exchange: false, colour: true, geometry: true });
    expect(again).to.deep.equal(all);
  });
});
