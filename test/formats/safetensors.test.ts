import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { CheckpointError } from "../../src/files/errors.js";
import { readSafetensors, writeSafetensors } from "../../src/files/safetensors.js";
import { parseSafetensors } from "../../src/formats/safetensors.js";
import { FileTensor } from "../../src/formats/tensor.js";
import { attack, failure, goldenBytes, inFolder } from "../files/golden.js";

/** A file of this header text and `bytes` zeros of data. */
function file(header: string | Uint8Array, bytes = 0): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const whole = new Uint8Array(8 + text.length + bytes);
  new DataView(whole.buffer).setBigUint64(0, BigInt(text.length), true);
  whole.set(text, 8);
  return whole;
}

const entry = (begin: number, end: number, shape = [(end - begin) / 4]) =>
  `{"dtype":"F32","shape":[${shape}],"data_offsets":[${begin},${end}]}`;

/** What is refused, with the words of its error; each beside a control case that is accepted. */
const REFUSED: [what: string, bytes: Uint8Array, message: string][] = [
  ["no header", new Uint8Array(7), "no header"],
  ["a length beyond 2^53", new Uint8Array(16).fill(255), "its header would have"],
  ["a header longer than the cap", file("{}").fill(6, 3, 4), "its header would have 100663298"],
  ["a header longer than the file", file("{}").fill(9, 0, 1), "ends inside its header"],
  ["no JSON", file("{"), "no JSON"],
  ["a byte order mark", file("\ufeff{}"), "no JSON"],
  ["invalid UTF-8", file(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)), "no JSON in UTF-8"],
  ["a list", file("[]"), "no JSON object"],
  ["space before the header", file(" {}"), "no JSON object"],
  ["a key twice", file(`{"a":${entry(0, 4)},"a":${entry(0, 4)}}`, 4), 'the key "a" twice'],
  ["a key twice, spelt differently", file(`{"a":${entry(0, 4)},"\\u0061" :${entry(0, 4)}}`, 4), 'the key "a" twice'],
  [
    "a key twice inside",
    file(`{"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, 4),
    '"dtype" twice',
  ],
  ["__proto__ twice", file(`{"__proto__":${entry(0, 4)},"__proto__":${entry(0, 4)}}`, 4), '"__proto__" twice'],
  ["no object", file(`{"a":5}`), "not described"],
  ["null", file(`{"a":null}`), "not described"],
  ["an unknown type", file(`{"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}`, 4), "F8_E4M3"],
  ["a type named as a method", file(`{"a":{"dtype":"toString","shape":[4],"data_offsets":[0,4]}}`, 4), "toString"],
  ["no shape", file(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4), "no valid shape"],
  ["a negative size", file(`{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}`, 4), "no valid shape"],
  ["a broken size", file(`{"a":{"dtype":"F32","shape":[0.5,2],"data_offsets":[0,4]}}`, 4), "no valid shape"],
  [
    "a size beyond 2^53",
    file(`{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}`, 4),
    "no valid shape",
  ],
  ["sizes whose product overflows", file(`{"a":${entry(0, 4, [2 ** 52, 2 ** 52, 2 ** 52])}}`, 4), "has 4 bytes"],
  ["an overflow times zero", file(`{"a":${entry(0, 0, [...new Array(25).fill(2 ** 52), 0])}}`), "has 0 bytes"],
  ["three offsets", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, 4), "no valid data_offsets"],
  [
    "offsets beyond 2^53",
    file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[9007199254740992,9007199254740996]}}`, 4),
    "no valid data_offsets",
  ],
  ["offsets backwards", file(`{"a":${entry(4, 0, [1])}}`, 4), "outside the file"],
  ["an end outside", file(`{"a":${entry(0, 8)}}`, 4), "outside the file"],
  ["too few bytes for the shape", file(`{"a":${entry(0, 4, [2])}}`, 4), "has 4 bytes"],
  ["a hole before", file(`{"a":${entry(4, 8)}}`, 8), "begins at byte 4 instead of 0"],
  ["a hole between", file(`{"a":${entry(0, 4)},"b":${entry(8, 12)}}`, 12), "begins at byte 8 instead of 4"],
  ["an overlap", file(`{"a":${entry(0, 8)},"b":${entry(4, 12)}}`, 12), "begins at byte 4 instead of 8"],
  ["the same bytes twice", file(`{"a":${entry(0, 4)},"b":${entry(0, 4)}}`, 4), "begins at byte 0 instead of 4"],
  ["bytes behind", file(`{"a":${entry(0, 4)}}`, 5), "end at byte 4, its data at 5"],
  ["metadata that is no object", file(`{"__metadata__":[]}`), "__metadata__ is no object"],
  ["metadata that is no text", file(`{"__metadata__":{"a":1}}`), '"a" is no string'],
];

describe("safetensors", () => {
  it("reads a file written by the official library", () => {
    const { tensors } = parseSafetensors(goldenBytes("metrics.safetensors"));
    expect(tensors.get("bgr2ycbcr/ycbcr_float")?.shape).to.deep.equal([6, 7, 3]);
    expect(tensors.get("tensor2img/halves")?.data).to.be.instanceOf(Int32Array).with.length(255);
  });

  it("writes what it reads, all element types, at any place of the file", () =>
    inFolder(async (folder) => {
      const tensors = new Map([
        ["bool", FileTensor.of("BOOL", [3], Uint8Array.of(1, 0, 1))],
        ["f32", FileTensor.of("F32", [2, 2], Float32Array.of(1.5, -0, Number.NaN, Number.POSITIVE_INFINITY))],
        ["i8", FileTensor.of("I8", [1], Int8Array.of(-5))],
        ["f64", FileTensor.of("F64", [1, 1], Float64Array.of(Math.PI))],
        ["i64", FileTensor.of("I64", [], BigInt64Array.of(-(2n ** 60n)))],
        ["i32", FileTensor.of("I32", [0, 7], new Int32Array(0))],
        ["i16", FileTensor.of("I16", [1], Int16Array.of(-300))],
        ["f16", FileTensor.of("F16", [1], Uint16Array.of(0x3c00))],
        ["bf16", FileTensor.of("BF16", [1], Uint16Array.of(0x3f80))],
        ["u8", FileTensor.of("U8", [1], Uint8Array.of(255))],
        ["__proto__", FileTensor.of("F32", [1], Float32Array.of(7))],
      ]);
      const path = join(folder, "a.safetensors");
      await writeSafetensors(path, tensors, [
        ["step", "12"],
        ["__proto__", "x"],
      ]);
      const read = await readSafetensors(path);
      expect([...read.tensors.keys()].sort()).to.deep.equal([...tensors.keys()].sort());
      for (const [name, { dtype, shape, data }] of tensors) {
        const tensor = read.tensors.get(name)!;
        expect([tensor.dtype, tensor.shape]).to.deep.equal([dtype, shape]);
        expect(tensor.data).to.deep.equal(data);
      }
      expect([...read.metadata].sort()).to.deep.equal([
        ["__proto__", "x"],
        ["step", "12"],
      ]);
      const bytes = new Uint8Array(await readFile(path));
      expect(new DataView(bytes.buffer).getUint32(0, true) % 8).to.equal(0);

      const shifted = new Uint8Array(bytes.length + 1);
      shifted.set(bytes, 1);
      const again = parseSafetensors(shifted.subarray(1));
      expect(again.tensors.get("f64")?.data).to.deep.equal(Float64Array.of(Math.PI));
    }));

  it("converts to float32", () => {
    const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x8000);
    expect([...FileTensor.of("F16", [8], halves).toFloat32()]).to.deep.equal([
      1,
      -2,
      2 ** -24,
      65504,
      1 / 0,
      -1 / 0,
      Number.NaN,
      -0,
    ]);
    expect([...FileTensor.of("BF16", [2], Uint16Array.of(0x3f80, 0xc049)).toFloat32()]).to.deep.equal([1, -3.140625]);
    expect([...FileTensor.of("I64", [1], BigInt64Array.of(-3n)).toFloat32()]).to.deep.equal([-3]);
    expect([...FileTensor.of("F64", [1], Float64Array.of(0.1)).toFloat32()]).to.deep.equal([Math.fround(0.1)]);
    const data = Float32Array.of(1);
    expect(FileTensor.of("F32", [1], data).toFloat32()).to.equal(data);
  });

  it("rounds to the nearest half, of two equally near to the even one", () => {
    const half = (...values: number[]) => [
      ...FileTensor.of("F64", [values.length], Float64Array.from(values)).toHalf().data,
    ];
    // Every finite half is itself, and what lies between it and the next goes to the nearer of the two.
    const bits = Array.from({ length: 0x7c00 }, (_, i) => i);
    const values = [...FileTensor.of("F16", [bits.length], Uint16Array.from(bits)).toFloat32()];
    expect(half(...values)).to.deep.equal(bits);
    expect(half(...values.map((value) => -value))).to.deep.equal(bits.map((i) => i | 0x8000));
    const between = values.slice(1).map((above, i) => ({ below: values[i]!, step: above - values[i]! }));
    expect(half(...between.map(({ below, step }) => below + 0.25 * step))).to.deep.equal(bits.slice(0, -1));
    expect(half(...between.map(({ below, step }) => below + 0.75 * step))).to.deep.equal(bits.slice(1));
    expect(half(...between.map(({ below, step }) => below + 0.5 * step))).to.deep.equal(
      bits.slice(0, -1).map((i) => i + (i % 2)),
    );
    expect(half(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)).to.deep.equal([0x7c00, 0xfc00]);
    expect(FileTensor.of("F16", [1], Uint16Array.from(half(Number.NaN))).toFloat32()[0]).to.be.NaN;
    expect(half(65519)).to.deep.equal([0x7bff]);
    expect(() => half(-65520)).to.throw(CheckpointError, "-65520 is too large for 16 bits");
  });

  it("refuses values that are no such tensor", async () => {
    expect(() => FileTensor.of("F32", [3], new Float32Array(2))).to.throw(CheckpointError, "shape [3]");
    expect(() => FileTensor.of("F32", [2], new Float64Array(2))).to.throw(CheckpointError, "Float64Array");
    const reserved = new Map([["__metadata__", FileTensor.of("F32", [0], new Float32Array(0))]]);
    await failure(() => writeSafetensors("a.safetensors", reserved), CheckpointError, /__metadata__/);
  });

  it("accepts the control cases", () => {
    expect(parseSafetensors(file("{}")).tensors.size).to.equal(0);
    expect(parseSafetensors(file("{}      ")).tensors.size).to.equal(0);
    const two = parseSafetensors(file(`{"b":${entry(4, 8)},"a":${entry(0, 4)},"{\\"":${entry(4, 4)}}`, 8));
    expect([...two.tensors.keys()]).to.deep.equal(["b", "a", '{"']);
    const hostile = parseSafetensors(file(`{"__proto__":${entry(0, 4)}}`, 4));
    expect(hostile.tensors.get("__proto__")?.shape).to.deep.equal([1]);
    expect(({} as Record<string, unknown>).dtype).to.equal(undefined);
  });

  for (const [what, bytes, message] of REFUSED) {
    it(`refuses ${what}`, () => {
      expect(() => parseSafetensors(bytes, "w.safetensors"))
        .to.throw(CheckpointError, message)
        .with.property("message")
        .that.includes("w.safetensors");
    });
  }

  it("survives truncation at every byte and mutations", () => {
    const bytes = goldenBytes("metrics.safetensors");
    const parse = (changed: Uint8Array) => {
      for (const tensor of parseSafetensors(changed).tensors.values()) tensor.toFloat32();
    };
    attack(bytes, 0, parse, CheckpointError);
    // In the header nearly every change must be noticed; in the data none can be.
    const header = bytes.subarray(0, 8 + new DataView(bytes.buffer).getUint32(0, true));
    const body = bytes.subarray(header.length);
    const { rejected } = attack(
      header,
      3000,
      (changed) => parse(new Uint8Array([...changed, ...body])),
      CheckpointError,
      0,
    );
    expect(rejected).to.be.above(2000);
  });
});
