/**
 * The safetensors format (https://huggingface.co/docs/safetensors): 8 bytes of header length, a JSON header, then the
 * tensors' bytes without a gap. Nothing in a file can run or make the reader fetch more memory than the file has; all
 * rules of the format are checked, so that one file means the same tensors to every reader.
 */
import { CheckpointError } from "./errors.js";
import { type DType, elementCount, elementSize, FileTensor, isDType, viewBytes } from "./tensor.js";

const MAX_HEADER_BYTES = 100_000_000;
const METADATA_KEY = "__metadata__";

/** What a safetensors file holds: tensors and texts, by name. */
export interface Safetensors {
  readonly tensors: Map<string, FileTensor>;
  readonly metadata: Map<string, string>;
}

/** Whether the bytes begin as safetensors: JSON behind 8 bytes of length. */
export function isSafetensors(bytes: Uint8Array): boolean {
  return bytes[8] === 0x7b;
}

/** Reads safetensors; the tensors are views of `bytes`. `name` is what errors call them. Throws `CheckpointError`. */
export function parseSafetensors(bytes: Uint8Array, name = "safetensors"): Safetensors {
  const fail: Fail = (problem) => {
    throw new CheckpointError(`${name} is no valid safetensors file: ${problem}`, "Copy or download the file again");
  };
  if (bytes.length < 8) fail("it has no header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES) fail(`its header would have ${headerBytes} bytes`);
  if (headerBytes > bytes.length - 8) fail("it ends inside its header");
  const header = parseHeader(bytes.subarray(8, 8 + headerBytes), fail);
  const body = bytes.subarray(8 + headerBytes);

  const entries = Object.entries(header).filter(([key]) => key !== METADATA_KEY);
  const placed = entries.map(([key, value]) => placeOf(key, value, body.length, fail));
  checkContiguous(placed, body.length, fail);
  const tensors = new Map(
    placed.map(({ key, dtype, shape, begin, end }) => [
      key,
      new FileTensor(dtype, shape, () => viewBytes(dtype, body.subarray(begin, end))),
    ]),
  );
  return { tensors, metadata: metadataOf(header, fail) };
}

/**
 * A file's pieces, in order: larger element types first so that all stay aligned. The tensors' are views of their data.
 * Throws `CheckpointError` for a tensor whose name the format keeps for itself.
 */
export function safetensorsBytes(
  tensors: ReadonlyMap<string, FileTensor>,
  metadata?: Iterable<readonly [string, string]>,
): Uint8Array[] {
  if (tensors.has(METADATA_KEY)) {
    throw new CheckpointError(
      `a tensor cannot be called ${METADATA_KEY}`,
      "Rename it: the format keeps this name for itself",
    );
  }
  const sorted = [...tensors].sort(([, a], [, b]) => elementSize(b.dtype) - elementSize(a.dtype));
  const header: [string, object][] = metadata === undefined ? [] : [[METADATA_KEY, Object.fromEntries(metadata)]];
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const [key, { dtype, shape, data }] of sorted) {
    const piece = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    header.push([key, { dtype, shape, data_offsets: [offset, offset + piece.length] }]);
    pieces.push(piece);
    offset += piece.length;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(text, 8);
  return [padded, ...pieces];
}

type Fail = (problem: string) => never;

interface Place {
  readonly key: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let text = "";
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    fail(`its header is no JSON in UTF-8 (${cause instanceof Error ? cause.message.slice(0, 100) : cause})`);
  }
  if (!isRecord(header) || !text.startsWith("{")) return fail("its header is no JSON object");
  const twice = findDuplicateKey(text);
  if (twice !== undefined) fail(`its header has the key ${JSON.stringify(twice)} twice`);
  return header;
}

/** One tensor's entry, its size checked against its shape. */
function placeOf(key: string, value: unknown, bodyBytes: number, fail: Fail): Place {
  const what = `tensor ${JSON.stringify(key)}`;
  if (!isRecord(value)) return fail(`${what} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDType(dtype)) return fail(`${what} has the element type ${JSON.stringify(dtype)}, which is not supported`);
  if (!isSizes(shape)) return fail(`${what} has no valid shape`);
  if (!isSizes(offsets) || offsets.length !== 2) return fail(`${what} has no valid data_offsets`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > bodyBytes) fail(`${what} lies outside the file (bytes ${begin} to ${end} of ${bodyBytes})`);
  // Product of safe integers: a rounded one is beyond 2^53 and never equals a length inside the file.
  if (elementCount(shape) * elementSize(dtype) !== end - begin) {
    fail(`${what} of shape [${shape}] and type ${dtype} has ${end - begin} bytes`);
  }
  return { key, dtype, shape, begin, end };
}

/** No holes, no overlaps, nothing behind: each tensor begins where the one before ends. */
function checkContiguous(places: readonly Place[], bodyBytes: number, fail: Fail): void {
  let end = 0;
  for (const place of [...places].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (place.begin !== end)
      fail(`tensor ${JSON.stringify(place.key)} begins at byte ${place.begin} instead of ${end}`);
    end = place.end;
  }
  if (end !== bodyBytes) fail(`its tensors end at byte ${end}, its data at ${bodyBytes}`);
}

function metadataOf(header: Record<string, unknown>, fail: Fail): Map<string, string> {
  const metadata = Object.hasOwn(header, METADATA_KEY) ? header[METADATA_KEY] : {};
  if (!isRecord(metadata)) return fail("its __metadata__ is no object");
  return new Map(
    Object.entries(metadata).map(([key, value]) => {
      if (typeof value !== "string") return fail(`its __metadata__ ${JSON.stringify(key)} is no string`);
      return [key, value];
    }),
  );
}

/** The first key that an object of this JSON text has twice: `JSON.parse`, which must have accepted it, keeps only the last. */
function findDuplicateKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === "{") open.push(new Set());
    else if (character === "}") open.pop();
    else if (character === '"') {
      const start = i++;
      while (json[i] !== '"') i += json[i] === "\\" ? 2 : 1;
      let next = i + 1;
      while (/\s/.test(json[next]!)) next++;
      if (json[next] !== ":") continue;
      const key: string = JSON.parse(json.slice(start, i + 1));
      const keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && v >= 0);
}
