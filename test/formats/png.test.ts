import { expect } from "chai";
import * as node from "../../src/files/png.js";
import { decodePng, encodePng } from "../../src/formats/png.js";
import { ImageError } from "../../src/image/errors.js";
import { createImage } from "../../src/image/image.js";
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
    ["a flipped bit in its pixels", changed(whole.length / 2)],
    ["a flipped bit in its header", changed(18)],
    ["too few pixels", png(4, 4, 8, 0, lines([1, 2, 3, 4], [1, 2, 3, 4]))],
    ["a palette's entry that is none", png(1, 1, 8, 3, lines([3]), PALETTE)],
    ["no palette", png(1, 1, 8, 3, lines([0]))],
    ["no pixels", new Uint8Array(Buffer.concat([whole.subarray(0, 33), chunk("IEND", Buffer.alloc(0))]))],
    ["a size beyond all memory", png(2 ** 20, 2 ** 20, 8, 0, [])],
  ];
  for (const [what, bytes] of DAMAGED)
    it(`refuses a file with ${what}`, () => failure(() => decodePng(bytes, "b.png"), ImageError, /^b\.png is a /));
});
