/**
 * PyTorch's checkpoints (`torch.save`), in both of their formats. Since 1.6: a zip archive with `data.pkl` and one entry
 * of raw elements per storage. Before: a stream of pickles (magic number, protocol version, machine, the object, the
 * keys of its storages), then the storages, each a length and raw elements. Little-endian files only.
 */
import { unzipSync } from "fflate";
import { MasaError } from "../errors.js";
import { CheckpointError } from "./errors.js";
import { type CheckpointValue, PickleReader, type Storage, type StorageId, unpickle } from "./pickle.js";
import { elementSize } from "./tensor.js";

const ZIP_MAGIC = [0x50, 0x4b, 0x03, 0x04];
/** Begins the last record of an archive, which tells where its directory is. */
const DIRECTORY_END = [0x50, 0x4b, 0x05, 0x06] as const;
/** The whole pickle of the legacy format's magic number. */
const LEGACY_MAGIC = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const LEGACY_PROTOCOL = 1001;
/** Weights hardly compress; an archive that grows more than this is built to fill the memory. */
const MAX_GROWTH = 64;

/** Whether the bytes begin as a PyTorch checkpoint of either format. */
export function isCheckpoint(bytes: Uint8Array): boolean {
  return startsWith(bytes, ZIP_MAGIC) || startsWith(bytes, LEGACY_MAGIC);
}

/**
 * Reads a checkpoint: dictionaries as Maps, lists and tuples as arrays, tensors as `FileTensor`. `name` is what errors call
 * it. Throws `CheckpointError`.
 */
export function parseCheckpoint(bytes: Uint8Array, name = "checkpoint"): CheckpointValue {
  try {
    if (startsWith(bytes, ZIP_MAGIC)) return parseZip(bytes);
    if (startsWith(bytes, LEGACY_MAGIC)) return parseLegacy(bytes);
    throw new Error("it begins as none of PyTorch's formats");
  } catch (cause) {
    const problem = cause instanceof MasaError ? cause.problem : explain(cause);
    const advice = cause instanceof MasaError ? cause.advice : "Copy or download the file again";
    throw new CheckpointError(`${name} cannot be read as a PyTorch checkpoint: ${problem}`, advice, { cause });
  }
}

function parseZip(bytes: Uint8Array): CheckpointValue {
  const entries = unzip(bytes);
  const pickle = [...entries.keys()].find((path) => path.endsWith("/data.pkl"));
  if (pickle === undefined) throw new Error("it has no data.pkl");
  const folder = pickle.slice(0, -"data.pkl".length);
  if (entries.has(`${folder}constants.pkl`)) {
    throw new CheckpointError(
      "it is a TorchScript program",
      "In Python, save only the tensors: torch.save(model.state_dict(), path)",
    );
  }
  const order = entries.get(`${folder}byteorder`);
  if (order !== undefined && new TextDecoder().decode(order) !== "little") throw new Error("it is not little-endian");

  const storages = new Storages();
  return unpickle(new PickleReader(entries.get(pickle)!), (id) => {
    const storage = storages.get(id);
    if (storage.bytes !== undefined) return storage;
    const data = entries.get(`${folder}data/${id.key}`);
    if (data === undefined) throw new Error(`storage ${id.key} is missing`);
    if (data.length !== byteLength(storage))
      throw new Error(`storage ${id.key} has ${data.length} bytes instead of ${byteLength(storage)}`);
    storage.bytes = data;
    return storage;
  });
}

/** The entries by path, guarded against archives that claim or hold far more than they can. */
function unzip(bytes: Uint8Array): Map<string, Uint8Array> {
  if (!hasDirectoryEnd(bytes)) throw new Error("its archive ends too early");
  const room = MAX_GROWTH * bytes.length;
  let total = 0;
  let count = 0;
  const filter = (entry: { size: number; originalSize: number; compression: number }) => {
    total += Math.max(entry.originalSize, entry.size);
    const plausible = entry.compression === 0 ? total <= bytes.length : total <= room;
    // Each entry takes at least 46 bytes of the directory.
    if (!plausible || ++count * 46 > bytes.length) throw new Error("its archive claims more than it can hold");
    return true;
  };
  return new Map(Object.entries(unzipSync(bytes, { filter })));
}

function hasDirectoryEnd(bytes: Uint8Array): boolean {
  for (
    let at = bytes.lastIndexOf(DIRECTORY_END[0]);
    at >= 0;
    at = at > 0 ? bytes.lastIndexOf(DIRECTORY_END[0], at - 1) : -1
  )
    if (startsWith(bytes.subarray(at), DIRECTORY_END)) return true;
  return false;
}

function parseLegacy(bytes: Uint8Array): CheckpointValue {
  const reader = new PickleReader(bytes);
  reader.skip(LEGACY_MAGIC.length);
  const noStorage = (): never => {
    throw new Error("a storage is named where none can be");
  };
  if (unpickle(reader, noStorage) !== LEGACY_PROTOCOL) throw new Error("its protocol version is unknown");
  const machine = unpickle(reader, noStorage);
  if (!(machine instanceof Map) || machine.get("little_endian") !== true) throw new Error("it is not little-endian");

  const storages = new Storages();
  const value = unpickle(reader, (id) => storages.get(id));
  const keys = unpickle(reader, noStorage);
  if (!Array.isArray(keys)) throw new Error("it has no list of storages");
  for (const key of keys) {
    const storage = storages.find(key);
    if (storage === undefined || storage.bytes !== undefined) throw new Error("its list of storages is wrong");
    const length = reader.uint64();
    if (length !== storage.length)
      throw new Error(`storage ${storage.key} has ${length} elements instead of ${storage.length}`);
    storage.bytes = reader.bytes(byteLength(storage)) as Uint8Array;
  }
  const missing = storages.missing();
  if (missing !== undefined) throw new Error(`storage ${missing.key} is missing`);
  return value;
}

/** The storages named so far. One that is named again must be described alike. */
class Storages {
  readonly #byKey = new Map<CheckpointValue, Storage>();

  get(id: StorageId): Storage {
    const known = this.#byKey.get(id.key);
    if (known === undefined) {
      const storage = { ...id, bytes: undefined };
      this.#byKey.set(id.key, storage);
      return storage;
    }
    if (known.dtype !== id.dtype || known.length !== id.length)
      throw new Error(`storage ${id.key} is described in two ways`);
    return known;
  }

  find(key: CheckpointValue): Storage | undefined {
    return this.#byKey.get(key);
  }

  missing(): Storage | undefined {
    return [...this.#byKey.values()].find((storage) => storage.bytes === undefined);
  }
}

function byteLength({ dtype, length }: Storage): number {
  return length * elementSize(dtype);
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

function explain(cause: unknown): string {
  return cause instanceof Error ? cause.message.replace(/\.$/, "") : String(cause);
}
