import { join } from "node:path";
import { expect } from "chai";
import { writeStateDict } from "../../src/files/pytorch.js";
import { readWeights } from "../../src/files/weights.js";
import { parseCheckpoint } from "../../src/formats/pytorch.js";
import { stateDictBytes } from "../../src/formats/state_dict.js";
import { type DType, elementSize, FileTensor, type TensorData } from "../../src/formats/tensor.js";
import { inFolder } from "../files/golden.js";

const DATA: Readonly<Record<DType, TensorData>> = {
  F64: Float64Array.of(1, -2.5, Math.PI),
  F32: Float32Array.of(1, -2.5, 0.1),
  F16: Uint16Array.of(0x3c00, 0xc100, 1),
  BF16: Uint16Array.of(0x3f80, 0xc020, 1),
  I64: BigInt64Array.of(1n, -2n, 2n ** 53n),
  I32: Int32Array.of(1, -2, 3),
  I16: Int16Array.of(1, -2, 3),
  I8: Int8Array.of(1, -2, 3),
  U8: Uint8Array.of(1, 2, 255),
  BOOL: Uint8Array.of(1, 0, 1),
};
const tensors = new Map(
  Object.entries(DATA).map(([dtype, data], i) => [`layer.${i}.größe`, FileTensor.of(dtype as DType, [3, 1], data)]),
);

describe("state dicts", () => {
  it("come back as they were, in their order", () =>
    inFolder(async (folder) => {
      const many = Array.from(
        { length: 300 },
        (_, i) => [`w${i}`, FileTensor.of("F32", [2], Float32Array.of(i, -i))] as const,
      );
      const scalar = FileTensor.of("F32", [], Float32Array.of(7));
      const all = new Map([...tensors, ["scalar", scalar] as const, ...many]);
      const path = join(folder, "w.pth");
      await writeStateDict(path, all);
      const found = await readWeights(path);
      expect([...found.keys()]).to.deep.equal([...all.keys()]);
      for (const [name, { dtype, shape, data }] of all) {
        const tensor = found.get(name);
        expect([tensor?.dtype, tensor?.shape, tensor?.data], name).to.deep.equal([dtype, shape, data]);
      }
    }));

  it("lie uncompressed at multiples of 64 bytes, and are the same bytes each time", () => {
    const bytes = stateDictBytes(tensors);
    expect(stateDictBytes(tensors)).to.deep.equal(bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const begins: number[] = [];
    let offset = 0;
    for (; view.getUint32(offset, true) === 0x04034b50; offset = begins.at(-1)! + view.getUint32(offset + 22, true)) {
      expect(view.getUint16(offset + 8, true), "compression").to.equal(0);
      expect(view.getUint32(offset + 18, true), "size").to.equal(view.getUint32(offset + 22, true));
      begins.push(offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true));
    }
    expect(view.getUint32(offset, true), "directory").to.equal(0x02014b50);
    expect(begins).to.have.length(tensors.size + 3);
    for (const begin of begins) expect(begin % 64).to.equal(0);
    const [, , first] = begins as [number, number, number];
    const { dtype, data } = [...tensors.values()][0]!;
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.length * elementSize(dtype));
    expect(bytes.subarray(first, first + raw.length)).to.deep.equal(raw);
  });

  it("may be empty", () => {
    expect(parseCheckpoint(stateDictBytes(new Map()))).to.deep.equal(new Map());
  });
});
