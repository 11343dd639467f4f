/**
 * Reads the pickles inside PyTorch's files without being able to run anything.
 *
 * A pickle is a program for a small stack machine; it becomes dangerous where it names functions to call. The machine is
 * the package pickleparser; this file lets it see only the instructions `torch.save` writes, and only the few names
 * below, each standing for a function of ours that builds data. Everything else is a `CheckpointError`.
 */
import { BufferReader, Parser } from "pickleparser";
import { CheckpointError } from "./errors.js";
import { type DType, elementCount, elementSize, FileTensor, viewBytes } from "./tensor.js";

/** What a checkpoint can hold: dictionaries as Maps (their keys may be numbers), lists and tuples as arrays. */
export type CheckpointValue =
  | null
  | boolean
  | number
  | string
  | FileTensor
  | CheckpointValue[]
  | Map<CheckpointValue, CheckpointValue>;

/** Elements that one or several tensors are views of. `bytes` may come after the pickle that names the storage. */
export interface Storage {
  readonly key: string;
  readonly dtype: DType;
  /** Elements. */
  readonly length: number;
  bytes: Uint8Array | undefined;
}

const LONG1 = 0x8a;
const LONG4 = 0x8b;
const BINFLOAT = 0x47;
const BUILD = 0x62;
const POP = 0x30;
const MAX_LONG_BYTES = 64;

/** One line per group: structure and memo; constants and numbers; strings; tuples, lists, dictionaries, sets; objects. */
const INSTRUCTIONS = new Set([
  ...[0x80, 0x95, 0x2e, 0x28, POP, 0x31, 0x71, 0x72, 0x94, 0x68, 0x6a],
  ...[0x4e, 0x88, 0x89, 0x4a, 0x4b, 0x4d, LONG1, LONG4, BINFLOAT],
  ...[0x54, 0x55, 0x58, 0x8c, 0x8d],
  ...[0x29, 0x74, 0x85, 0x86, 0x87, 0x5d, 0x61, 0x65, 0x7d, 0x73, 0x75, 0x8f, 0x90],
  ...[0x63, 0x93, 0x51, 0x52, BUILD],
]);

/**
 * The bytes of one or several pickles in a row, as pickleparser fetches them. It exchanges two instructions. BUILD, which
 * sets attributes on any object (PyTorch: `_metadata` on a dictionary), becomes POP, which drops them. Long integers
 * become the float they are equal to, because the package reads them as unsigned and refuses more than 8 bytes; beyond
 * 2^53 they are rounded. A negative length, for the package a step back, is an error.
 */
export class PickleReader extends BufferReader {
  #expectInstruction = false;
  #long: number | undefined;

  override hasNext(): boolean {
    this.#expectInstruction = true;
    return super.hasNext();
  }

  override byte(): number {
    const value = super.byte();
    if (!this.#expectInstruction) return value;
    this.#expectInstruction = false;
    if (!INSTRUCTIONS.has(value)) throw new Error(`instruction 0x${value.toString(16)} is not one PyTorch writes`);
    if (value === BUILD) return POP;
    if (value !== LONG1 && value !== LONG4) return value;
    this.#long = longToNumber(this.bytes(value === LONG1 ? super.byte() : this.uint32()));
    return BINFLOAT;
  }

  override float64(): number {
    const value = this.#long ?? super.float64();
    this.#long = undefined;
    return value;
  }

  override uint64(): number {
    const [low, high] = [this.uint32(), this.uint32()];
    const value = high * 2 ** 32 + low;
    if (!Number.isSafeInteger(value)) throw new Error("a length is beyond 2^53");
    return value;
  }

  override skip(offset: number): void {
    if (offset < 0) throw new Error("a length is negative");
    super.skip(offset);
  }
}

/** Runs the next pickle of `reader`; `storageOf` answers its persistent ids. */
export function unpickle(reader: PickleReader, storageOf: (id: StorageId) => Storage): CheckpointValue {
  const parser = new Parser({
    nameResolver: { resolve },
    persistentResolver: { resolve: (id: unknown) => storageOf(storageId(id)) },
    unpicklingTypeOfDictionary: "Map",
    unpicklingTypeOfSet: "array",
  });
  return parser.read<CheckpointValue>(reader);
}

/** What a persistent id of `torch.save` says about a storage. */
export interface StorageId {
  readonly key: string;
  readonly dtype: DType;
  readonly length: number;
}

// biome-ignore lint/suspicious/noExplicitAny: pickleparser calls these with whatever the file holds; each checks its own arguments.
type Global = (...args: any[]) => unknown;

const STORAGE_TYPES = new Map<unknown, DType>();

/** PyTorch's storages, by what they hold. */
export const STORAGE_NAMES: Readonly<Record<DType, string>> = {
  F64: "DoubleStorage",
  F32: "FloatStorage",
  F16: "HalfStorage",
  BF16: "BFloat16Storage",
  I64: "LongStorage",
  I32: "IntStorage",
  I16: "ShortStorage",
  I8: "CharStorage",
  U8: "ByteStorage",
  BOOL: "BoolStorage",
};

const GLOBALS = new Map<string, Global>([
  ["collections.OrderedDict", orderedDict],
  ["torch.Size", (sizes: unknown) => sizes],
  ["torch._utils._rebuild_tensor", rebuildTensor],
  ["torch._utils._rebuild_tensor_v2", rebuildTensor],
  ["torch._utils._rebuild_parameter", (tensor: unknown) => tensor],
  ...Object.entries(STORAGE_NAMES).map(([dtype, name]) => [`torch.${name}`, storageType(dtype as DType)] as const),
]);

function resolve(module: string, name: string): Global {
  const found = GLOBALS.get(`${module}.${name}`);
  if (found !== undefined) return found;
  throw new CheckpointError(
    `it holds a Python object of the kind ${module}.${name}, which this reader does not make`,
    "In Python, save only the tensors: torch.save(model.state_dict(), path)",
  );
}

/** Storage types are only named in persistent ids, never called. */
function storageType(dtype: DType): Global {
  const type = () => {
    throw new Error("a storage type is called");
  };
  STORAGE_TYPES.set(type, dtype);
  return type;
}

function orderedDict(pairs: unknown = []): Map<unknown, unknown> {
  const isPairs = Array.isArray(pairs) && pairs.every((pair) => Array.isArray(pair) && pair.length === 2);
  if (!isPairs) throw new Error("an OrderedDict is not made of pairs");
  return new Map(pairs);
}

/** ("storage", type, key, location, length, view), the last only in the legacy format. The location ("cuda:0") does not matter. */
function storageId(id: unknown): StorageId {
  if (!Array.isArray(id) || id[0] !== "storage") throw new Error("a persistent id names no storage");
  const [, type, key, , length, view] = id;
  const dtype = STORAGE_TYPES.get(type);
  if (dtype === undefined || typeof key !== "string" || !isSize(length))
    throw new Error("a storage is not well described");
  if (view !== undefined && view !== null) throw new Error("a storage is a view of another, as in PyTorch before 0.4");
  return { key, dtype, length };
}

/** A strided view of a storage; arguments as in PyTorch, those after the strides do not matter here. */
function rebuildTensor(storage: Storage, offset: unknown, shape: unknown, strides: unknown): FileTensor {
  const wellFormed =
    isStorage(storage) && isSize(offset) && isSizes(shape) && isSizes(strides) && shape.length === strides.length;
  if (!wellFormed) throw new Error("a tensor is not well described");
  const count = elementCount(shape);
  const last = shape.reduce((at, size, axis) => at + (size - 1) * strides[axis]!, offset);
  if (count > 0 && last >= storage.length) throw new Error(`a tensor of shape [${shape}] leaves its storage`);
  if (count > storage.length) {
    throw new CheckpointError(
      `it holds an expanded tensor of shape [${shape}] over ${storage.length} elements`,
      "In Python, save a copy of it: tensor.clone()",
    );
  }
  return new FileTensor(storage.dtype, [...shape], () => gather(storage, offset, shape, strides));
}

/** The elements in row-major order: a view of the storage where they already lie so. */
function gather({ dtype, bytes }: Storage, offset: number, shape: readonly number[], strides: readonly number[]) {
  if (bytes === undefined) throw new Error("a storage was never read");
  const size = elementSize(dtype);
  const count = elementCount(shape);
  if (count === 0 || isRowMajor(shape, strides))
    return viewBytes(dtype, bytes.subarray(offset * size, (offset + count) * size));
  const target = new Uint8Array(count * size);
  const index = shape.map(() => 0);
  let from = offset;
  for (let i = 0; i < count; i++) {
    for (let b = 0; b < size; b++) target[i * size + b] = bytes[from * size + b]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return viewBytes(dtype, target);
}

function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/** Two's complement, little-endian, any length. */
function longToNumber(bytes: ArrayLike<number>): number {
  if (bytes.length > MAX_LONG_BYTES) throw new Error(`an integer has ${bytes.length} bytes`);
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]! & 0xff);
  return Number(BigInt.asIntN(8 * bytes.length, value));
}

function isStorage(value: unknown): value is Storage {
  return typeof value === "object" && value !== null && "dtype" in value && "bytes" in value;
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isSize);
}
