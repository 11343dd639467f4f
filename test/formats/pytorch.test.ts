import { join } from "node:path";
import { expect } from "chai";
import { zipSync } from "fflate";
import { CheckpointError } from "../../src/files/errors.js";
import { readCheckpoint } from "../../src/files/pytorch.js";
import type { CheckpointValue } from "../../src/formats/pickle.js";
import { isCheckpoint, parseCheckpoint } from "../../src/formats/pytorch.js";
import { FileTensor } from "../../src/formats/tensor.js";
import { attack, failure, goldenBytes, goldenJson, goldenPath, inFolder } from "../files/golden.js";

const GOLDEN = [
  "adam_enc_nf8_legacy_cuda",
  "adam_enc_nf8_zip",
  "enc_nf8_module_legacy",
  "enc_nf8_module_zip_cuda",
  "misc_views_legacy",
  "misc_views_zip",
  "scheduler_zip",
];

/** PyTorch's names of the element types. */
const DTYPES: Record<string, string> = {
  float32: "F32",
  float64: "F64",
  float16: "F16",
  int64: "I64",
  int32: "I32",
  uint8: "U8",
  bool: "BOOL",
};

interface ExpectedTensor {
  tensor: string;
  shape: number[];
  first: number[];
  sum: number;
}

function isExpectedTensor(value: unknown): value is ExpectedTensor {
  return typeof value === "object" && value !== null && "tensor" in value && "sum" in value;
}

/** Compares with the JSON description of a golden checkpoint; returns the number of tensors. */
function compare(value: CheckpointValue | undefined, expected: unknown, path = ""): number {
  if (isExpectedTensor(expected)) {
    expect(value, path).to.be.instanceOf(FileTensor);
    const tensor = value as FileTensor;
    expect([tensor.dtype, tensor.shape], path).to.deep.equal([DTYPES[expected.tensor], expected.shape]);
    const values = Array.from(tensor.dtype === "F16" ? tensor.toFloat32() : tensor.data, Number);
    expect(values.slice(0, expected.first.length), path).to.deep.equal(expected.first);
    // Two orders of a float64 sum differ by less than 2^-53 per addition, of the sum of the absolute values.
    const bound = values.length * 2 ** -52 * values.reduce((sum, v) => sum + Math.abs(v), 0);
    expect(
      values.reduce((sum, v) => sum + v, 0),
      path,
    ).to.be.closeTo(expected.sum, bound);
    return 1;
  }
  if (Array.isArray(expected)) {
    expect(value, path).to.be.an("array").with.length(expected.length);
    return expected.reduce((sum, e, i) => sum + compare((value as CheckpointValue[])[i], e, `${path}/${i}`), 0);
  }
  if (typeof expected === "object" && expected !== null) {
    expect(value, path).to.be.instanceOf(Map);
    const found = new Map([...(value as Map<CheckpointValue, CheckpointValue>)].map(([k, v]) => [String(k), v]));
    expect([...found.keys()], path).to.have.members(Object.keys(expected));
    return Object.entries(expected).reduce((sum, [key, e]) => sum + compare(found.get(key), e, `${path}/${key}`), 0);
  }
  expect(value, path).to.equal(expected);
  return 0;
}

const ascii = (text: string) => [...text].map((character) => character.charCodeAt(0));
const short = (text: string) => [0x58, text.length, 0, 0, 0, ...ascii(text)];
const global = (name: string) => [0x63, ...ascii(`${name.replace(/\.(?=[^.]*$)/, "\n")}\n`)];

/** A checkpoint in the zip format around the instructions of a pickle, with one storage "0" of 16 bytes. */
function checkpoint(instructions: number[], entries: Record<string, Uint8Array> = {}, level: 0 | 9 = 0): Uint8Array {
  const pickle = Uint8Array.of(0x80, 2, ...instructions, 0x2e);
  return zipSync({ "a/data.pkl": pickle, "a/data/0": new Uint8Array(16).fill(1), ...entries }, { level });
}

/** The instructions of a float tensor over storage "0". */
function tensor(
  offset: number,
  shape: number[],
  strides: number[],
  length = 4,
  key = "0",
  type = "torch.FloatStorage",
): number[] {
  const tuple = (numbers: number[]) => [
    0x28,
    ...numbers.flatMap((n) => [0x4a, ...new Uint8Array(Int32Array.of(n).buffer)]),
    0x74,
  ];
  const id = [0x28, ...short("storage"), ...global(type), ...short(key), ...short("cuda:0"), 0x4b, length, 0x74, 0x51];
  const args = [
    ...id,
    0x4b,
    offset,
    ...tuple(shape),
    ...tuple(strides),
    0x89,
    ...global("collections.OrderedDict"),
    0x29,
    0x52,
  ];
  return [...global("torch._utils._rebuild_tensor_v2"), 0x28, ...args, 0x74, 0x52];
}

const parse = (bytes: Uint8Array) => parseCheckpoint(bytes, "w.pth");

describe("pytorch: golden checkpoints", () => {
  for (const name of GOLDEN) {
    it(name, async () => {
      const path = goldenPath(`ckpt/${name}.pth`);
      const tensors = compare(await readCheckpoint(path), goldenJson(`ckpt/${name}.json`));
      expect(tensors).to.equal({ a: 162, e: 54, m: 13, s: 0 }[name[0]!]);
    });
  }

  it("gives both formats the same values", () => {
    const [zip, legacy] = ["zip", "legacy"].map(
      (kind) => parse(goldenBytes(`ckpt/misc_views_${kind}.pth`)) as Map<string, FileTensor>,
    );
    for (const [name, { data }] of zip!) expect(legacy!.get(name)!.data, name).to.deep.equal(data);
  });
});

describe("pytorch: pickles", () => {
  it("reads tensors through offset and strides", () => {
    const ramp = new Uint8Array(Float32Array.of(0, 1, 2, 3).buffer);
    const read = (...args: Parameters<typeof tensor>) =>
      parse(checkpoint(tensor(...args), { "a/data/0": ramp })) as FileTensor;
    expect([...read(0, [2, 2], [1, 2]).data].map(Number)).to.deep.equal([0, 2, 1, 3]);
    expect([...read(1, [2, 1], [2, 9]).data].map(Number)).to.deep.equal([1, 3]);
    expect([...read(2, [], []).data].map(Number)).to.deep.equal([2]);
    expect(read(0, [0, 5], [5, 1]).data).to.have.length(0);
    expect([...read(3, [4], [0]).data].map(Number)).to.deep.equal([3, 3, 3, 3]);
  });

  it("reads deflated archives and protocol 4", () => {
    const zeros = { "a/data/0": new Uint8Array(16) };
    expect((parse(checkpoint(tensor(0, [4], [1]), zeros, 9)) as FileTensor).shape).to.deep.equal([4]);
    const four = [
      0x80,
      4,
      0x95,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0x8c,
      11,
      ...ascii("collections"),
      0x94,
      0x8c,
      11,
      ...ascii("OrderedDict"),
      0x94,
      0x93,
    ];
    expect(parse(checkpoint([...four, 0x94, 0x29, 0x52, 0x94]))).to.deep.equal(new Map());
  });

  it("reads integers of every length and sign", () => {
    const long = (...bytes: number[]) => parse(checkpoint([0x8a, bytes.length, ...bytes]));
    expect(long()).to.equal(0);
    expect(long(255)).to.equal(-1);
    expect(long(0, 0, 0, 0, 1)).to.equal(2 ** 32);
    expect(long(0, 0, 0, 0, 255)).to.equal(-(2 ** 32));
    expect(long(...new Array(8).fill(255), 127)).to.equal(2 ** 71);
    expect(parse(checkpoint([0x8b, 2, 0, 0, 0, 0xfe, 0xff]))).to.equal(-2);
    expect(parse(checkpoint([0x4a, 0xfe, 0xff, 0xff, 0xff]))).to.equal(-2);
  });

  it("drops attributes instead of setting them", () => {
    const state = [0x7d, 0x28, ...short("length"), 0x4b, 99, ...short("__proto__"), 0x7d, 0x75];
    const list = parse(checkpoint([0x5d, ...state, 0x62]));
    expect(list).to.deep.equal([]);
    expect(Object.getPrototypeOf(list)).to.equal(Array.prototype);
  });

  it("keeps __proto__ an ordinary key", () => {
    const value = parse(checkpoint([0x7d, ...short("__proto__"), ...short("x"), 0x73])) as Map<string, string>;
    expect([...value]).to.deep.equal([["__proto__", "x"]]);
    expect(Object.getPrototypeOf(value)).to.equal(Map.prototype);
  });

  for (const name of [
    "os.system",
    "builtins.eval",
    "posix.system",
    "torch.load",
    "torch.toString",
    "numpy.core.multiarray.scalar",
  ]) {
    it(`names ${name} and does not call it`, () => {
      const bytes = checkpoint([...global(name), ...short("echo"), 0x85, 0x52]);
      expect(() => parse(bytes)).to.throw(
        CheckpointError,
        `w.pth cannot be read as a PyTorch checkpoint: it holds a Python object of the kind ${name}`,
      );
      expect(() => parse(bytes)).to.throw("torch.save(model.state_dict(), path)");
    });
  }

  const refused: [what: string, instructions: number[], message: string][] = [
    ["a tensor beyond its storage", tensor(1, [4], [1]), "leaves its storage"],
    ["a tensor beyond its storage by its strides", tensor(0, [2, 2], [3, 1]), "leaves its storage"],
    ["a tensor far larger than its storage", tensor(0, [99999, 99999], [0, 0]), "expanded"],
    ["negative strides", tensor(3, [4], [-1]), "not well described"],
    ["fewer strides than sizes", tensor(0, [4], []), "not well described"],
    ["a storage that is missing", tensor(0, [4], [1], 4, "7"), "storage 7 is missing"],
    ["a storage of another length", tensor(0, [4], [1], 5), "16 bytes instead of 20"],
    [
      "a storage of another type",
      [0x28, ...tensor(0, [4], [1]), ...tensor(0, [2], [1], 2, "0", "torch.LongStorage"), 0x74],
      "described in two ways",
    ],
    ["a storage type that is none", tensor(0, [4], [1], 4, "0", "torch.Size"), "not well described"],
    ["a storage type that is called", [...global("torch.FloatStorage"), 0x29, 0x52], "storage type is called"],
    ["a call of what is no function", [...short("x"), 0x29, 0x52], "not a function"],
    ["instructions PyTorch does not write", [0x69, ...ascii("os\nsystem\n")], "instruction 0x69"],
    ["a step back by a negative length", [0x54, 0xf0, 0xff, 0xff, 0xff], "Expected"],
    ["an integer of absurd length", [0x8b, 0xff, 0, 0, 0, ...new Array(255).fill(1)], "255 bytes"],
    ["a cut pickle", [0x58, 200, 0, 0, 0], "end of file"],
  ];
  for (const [what, instructions, message] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => parse(checkpoint(instructions))).to.throw(CheckpointError, message);
    });
  }
});

describe("pytorch: archives and files", () => {
  it("tells checkpoints by their beginning", () => {
    expect(isCheckpoint(goldenBytes("ckpt/scheduler_zip.pth"))).to.equal(true);
    expect(isCheckpoint(goldenBytes("ckpt/misc_views_legacy.pth"))).to.equal(true);
    expect(isCheckpoint(goldenBytes("metrics.safetensors"))).to.equal(false);
    expect(() => parse(goldenBytes("metrics.safetensors"))).to.throw(CheckpointError, "none of PyTorch's formats");
  });

  it("refuses archives of something else", () => {
    expect(() => parse(zipSync({ "a/b": new Uint8Array(3) }))).to.throw(CheckpointError, "no data.pkl");
    expect(() => parse(checkpoint([0x4e], { "a/constants.pkl": new Uint8Array(3) }))).to.throw(
      CheckpointError,
      "TorchScript",
    );
    expect(() => parse(checkpoint([0x4e], { "a/byteorder": new Uint8Array(ascii("big")) }))).to.throw(
      CheckpointError,
      "little-endian",
    );
    expect(parse(checkpoint([0x4e], { "a/byteorder": new Uint8Array(ascii("little")) }))).to.equal(null);
  });

  it("refuses archives built to fill the memory", () => {
    const bomb = checkpoint(tensor(0, [4], [1]), { "a/data/0": new Uint8Array(2 ** 20) }, 9);
    expect(bomb.length).to.be.below(2 ** 20 / 64);
    expect(() => parse(bomb)).to.throw(CheckpointError, "claims more than it can hold");
  });

  it("names a file that is missing", () =>
    inFolder(async (folder) => {
      await failure(() => readCheckpoint(join(folder, "no.pth")), CheckpointError, /no\.pth does not exist/);
    }));

  for (const kind of ["zip", "legacy"]) {
    it(`survives truncation at every byte and mutations, ${kind}`, () => {
      const touch = (bytes: Uint8Array) => {
        const value = parse(bytes);
        if (value instanceof Map) for (const item of value.values()) if (item instanceof FileTensor) item.toFloat32();
      };
      attack(goldenBytes(`ckpt/misc_views_${kind}.pth`), 3000, touch, CheckpointError);
    });
  }
});
