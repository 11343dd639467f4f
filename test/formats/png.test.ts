import { constants, deflateRawSync } from "node:zlib";
import { expect } from "chai";
import { toSharp } from "../../src/files/images.js";
import * as node from "../../src/files/png.js";
import { decodePng, encodePng } from "../../src/formats/png.js";
import { passesOf } from "../../src/formats/png_structure.js";
import { ImageError } from "../../src/image/errors.js";
import { createImage } from "../../src/image/image.js";
import { caseBytes } from "../cases.js";
import { failure, fillNoise, goldenBytes } from "../files/golden.js";
import { chunk, png } from "../files/made_png.js";

/** Scan lines of `rows` of bytes, none of them filtered. */
const lines = (...rows: number[][]) => rows.flatMap((row) => [0, ...row]);

const PALETTE = { PLTE: [250, 10, 20, 0, 200, 0, 1, 2, 3] };
const MADE: readonly [kind: string, bytes: Uint8Array][] = [
  ["1-bit grey", png(11, 2, 1, 0, lines([0b10110011, 0b10100000], [0b01000000, 0b01000000]))],
  ["2-bit grey with a transparent level", png(3, 1, 2, 0, lines([0b00011000]), { tRNS: [0, 1] })],
  ["4-bit grey", png(3, 1, 4, 0, lines([0x0f, 0x70]))],
  ["8-bit grey with a transparent level", png(3, 1, 8, 0, lines([7, 8, 7]), { tRNS: [0, 7] })],
  ["a palette of 2 bits", png(5, 1, 2, 3, lines([0b00011000, 0b01000000]), PALETTE)],
  ["a palette with alpha", png(3, 1, 8, 3, lines([2, 1, 0]), { ...PALETTE, tRNS: [9, 130] })],
  ["RGB with a transparent colour", png(3, 1, 8, 2, lines([1, 2, 3, 1, 2, 4, 1, 2, 3]), { tRNS: [0, 1, 0, 2, 0, 3] })],
  [
    "16-bit RGB with a transparent colour",
    png(1, 3, 16, 2, lines([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 7], [0, 0, 0, 0, 0, 0]), { tRNS: [1, 2, 3, 4, 5, 6] }),
  ],
];

describe("PNG without Node", () => {
  for (const channels of [1, 2, 3, 4] as const)
    for (const depth of [8, 16] as const)
      it(`goes from and to Node's with ${channels} channels of ${depth} bits`, () => {
        const image = fillNoise(createImage(13, 7, channels, depth), channels + depth);
        expect(decodePng(node.encodePng(image), "a")).to.deep.equal(image);
        expect(node.decodePng(encodePng(image), "a")).to.deep.equal(image);
      });

  for (const [kind, bytes] of MADE)
    it(`decodes ${kind} as Node's does`, () => expect(decodePng(bytes, "a")).to.deep.equal(node.decodePng(bytes, "a")));

  it("decodes photographs as Node's does", () => {
    const bytes = goldenBytes("img/batch2_0_hr.png");
    expect(decodePng(bytes, "a")).to.deep.equal(node.decodePng(bytes, "a"));
  });

  const whole = node.encodePng(fillNoise(createImage(40, 30, 3, 8), 1));
  const changed = (at: number) => whole.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const DAMAGED: readonly [what: string, bytes: Uint8Array][] = [
    ["its beginning alone", whole.subarray(0, 10)],
    ["half of it", whole.subarray(0, whole.length / 2)],
    ["a flipped bit in its pixels", changed(Math.floor(whole.length / 2))],
    ["a flipped bit in its header", changed(18)],
    ["too few pixels", png(4, 4, 8, 0, lines([1, 2, 3, 4], [1, 2, 3, 4]))],
    ["a palette's entry that is none", png(1, 1, 8, 3, lines([3]), PALETTE)],
    ["no palette", png(1, 1, 8, 3, lines([0]))],
    ["more pixels than its header says", png(1, 1, 8, 0, new Array(1e6).fill(0))],
    ["an unknown critical part", png(1, 1, 8, 0, [0, 7], { QQQQ: [] })],
    ["Apple's beginning", caseBytes("cgbi.png")],
    ["transparency of the wrong length", png(1, 1, 8, 0, [0, 7], { tRNS: [1] })],
    ["no pixels", new Uint8Array(Buffer.concat([whole.subarray(0, 33), chunk("IEND", Buffer.alloc(0))]))],
    ["a size beyond all memory", png(2 ** 20, 2 ** 20, 8, 0, [])],
  ];
  for (const [what, bytes] of DAMAGED)
    it(`refuses a file with ${what}, as Node's does`, async () => {
      await failure(() => decodePng(bytes, "b.png"), ImageError, /^b\.png is a /);
      await failure(() => node.decodePng(bytes, "b.png"), ImageError, /^b\.png is a /);
    });

  it("decodes interlaced files of every kind as Node's does", () => {
    const kinds = [
      [0, 1],
      [0, 2],
      [0, 4],
      [0, 8],
      [0, 16],
      [2, 8],
      [2, 16],
      [3, 1],
      [3, 2],
      [3, 4],
      [3, 8],
      [4, 8],
      [4, 16],
      [6, 8],
      [6, 16],
    ]; // prettier-ignore
    for (const [colourType = 0, depth = 0] of kinds)
      for (const [width = 0, height = 0] of [
        [1, 1],
        [3, 1],
        [5, 9],
        [8, 8],
        [17, 13],
      ]) {
        const made = interlacedNoise(width, height, depth, colourType);
        expect(decodePng(made, "a"), `${colourType} ${depth} ${width}×${height}`).to.deep.equal(
          node.decodePng(made, "a"),
        );
      }
  });

  it("undoes every filter as Node's does", async () => {
    const image = fillNoise(createImage(20, 11, 3, 16), 4);
    const filtered = await toSharp(image).png({ adaptiveFiltering: true }).toBuffer();
    expect(decodePng(filtered, "a")).to.deep.equal(image);
    const made = png(
      7,
      5,
      8,
      6,
      [0, 1, 2, 3, 4].flatMap((filter) => [filter, ...bytesOf(28, filter)]),
    );
    expect(decodePng(made, "a")).to.deep.equal(node.decodePng(made, "a"));
  });

  it("refuses an image of one pixel that inflates to a gigabyte, in little memory", async () => {
    const bomb = oneGigabyte();
    const before = process.memoryUsage().arrayBuffers;
    const error = await failure(() => decodePng(bomb, "b.png"), ImageError, /more than 2 bytes of data/);
    expect(error.message).to.match(/^b\.png is a damaged PNG/);
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(2 ** 26);
  });

  it("reads the files that once differed as Node does", () => {
    for (const [name, values] of [
      ["interlaced", [0, 255, 255]],
      ["plte", [1, 2, 3]],
    ] as const) {
      const image = decodePng(caseBytes(`web-png/${name}.png`), name);
      expect([...image.data]).to.deep.equal(values);
      expect(image).to.deep.equal(node.decodePng(caseBytes(`web-png/${name}.png`), name));
    }
  });

  it("refuses a critical chunk that it does not know", () =>
    failure(
      () => decodePng(caseBytes("web-png/unknown_critical.png"), "u"),
      ImageError,
      /^u is a PNG with the unknown part ABCD/,
    ));
});

const bytesOf = (count: number, seed: number) => [...fillNoise(createImage(count, 1, 1, 8), seed).data];

function interlacedNoise(width: number, height: number, depth: number, colourType: number): Uint8Array {
  const header = { width, height, depth, colourType, samples: [1, 0, 3, 1, 2, 0, 4][colourType]!, interlaced: true };
  const scanLines = passesOf(header).flatMap(({ rows, stride }) =>
    Array.from({ length: rows }, (_, row) => [row % 5, ...bytesOf(stride, row + stride)]).flat(),
  );
  const PLTE = Array.from({ length: 3 * 2 ** Math.min(depth, 8) }, (_, i) => (7 * i) % 256);
  return png(width, height, depth, colourType, scanLines, colourType === 3 ? { PLTE } : {}, 1);
}

/** A PNG of 1×1 pixel whose compressed data are a gigabyte of zeros. */
function oneGigabyte(): Uint8Array {
  const megabyte = Buffer.alloc(2 ** 20);
  const deflate = deflateRawSync(megabyte, { finishFlush: constants.Z_SYNC_FLUSH });
  const data = Buffer.concat([Buffer.from([0x78, 0x9c]), ...Array.from({ length: 1024 }, () => deflate)]);
  const whole = png(1, 1, 8, 0, []);
  return new Uint8Array(Buffer.concat([whole.subarray(0, 33), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]));
}
