/**
 * A state dict as `torch.save` writes it since PyTorch 1.6: a zip archive of `data.pkl`, which describes the tensors, and
 * a file of raw elements for each. Nothing is compressed, and elements begin at multiples of 64 bytes, so that PyTorch can
 * map them into memory. The pickle names only what `torch.load(…, weights_only=True)` accepts.
 */
import { type ZippableFile, zipSync } from "fflate";
import { STORAGE_NAMES } from "./pickle.js";
import { elementCount, type FileTensor } from "./tensor.js";

const FOLDER = "archive";
const ALIGNMENT = 64;
/** The tag that PyTorch gives to padding among the extra fields of an entry: "FB". */
const PADDING_TAG = 0x4246;
/** Of a zip entry before its name, and of an extra field before its content. */
const ENTRY_HEADER = 30;
const EXTRA_HEADER = 4;
/** Equal tensors make equal files; a zip archive knows no time before this. */
const TIME = new Date(1980, 0, 1);

/** The bytes of a .pth file: an OrderedDict of contiguous tensors on the CPU. */
export function stateDictBytes(tensors: ReadonlyMap<string, FileTensor>): Uint8Array {
  const storages = [...tensors.values()].map(({ data }, i): [string, Uint8Array] => [
    `data/${i}`,
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ]);
  const entries: [string, Uint8Array][] = [
    ["data.pkl", Uint8Array.from(pickle(tensors))],
    ["byteorder", ascii("little")],
    ...storages,
    ["version", ascii("3\n")],
  ];
  let offset = 0;
  const aligned = entries.map(([name, content]) => {
    const path = `${FOLDER}/${name}`;
    const begin = offset + ENTRY_HEADER + path.length + EXTRA_HEADER;
    const padding = -begin & (ALIGNMENT - 1);
    offset = begin + padding + content.length;
    const entry: ZippableFile = [content, { extra: { [PADDING_TAG]: new Uint8Array(padding) } }];
    return [path, entry] as const;
  });
  return zipSync(Object.fromEntries(aligned), { level: 0, mtime: TIME });
}

// Instructions of the pickle machine, protocol 2 (Python: Lib/pickletools.py).
const PROTOCOL_2 = [0x80, 2];
const STOP = 0x2e;
const MARK = 0x28;
const EMPTY_TUPLE = 0x29;
const TUPLE = 0x74;
const REDUCE = 0x52;
const SETITEMS = 0x75;
const PERSISTENT_ID = 0x51;
const FALSE = 0x89;

/** OrderedDict() filled with a tensor for each name. */
function pickle(tensors: ReadonlyMap<string, FileTensor>): number[] {
  const items = [...tensors].flatMap(([name, tensor], i) => [...string(name), ...pickleTensor(tensor, `${i}`)]);
  return [...PROTOCOL_2, ...EMPTY_DICTIONARY, MARK, ...items, SETITEMS, STOP];
}

/** _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks), the storage as ("storage", type, key, place, length). */
function pickleTensor({ dtype, shape }: FileTensor, key: string): number[] {
  const type = global("torch", STORAGE_NAMES[dtype]);
  const id = tuple(string("storage"), type, string(key), string("cpu"), integer(elementCount(shape)));
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
  const view = [integer(0), tuple(...shape.map(integer)), tuple(...strides.map(integer))];
  const values = tuple([...id, PERSISTENT_ID], ...view, [FALSE], EMPTY_DICTIONARY);
  return [...global("torch._utils", "_rebuild_tensor_v2"), ...values, REDUCE];
}

function global(module: string, name: string): number[] {
  return [0x63, ...ascii(`${module}\n${name}\n`)];
}

const EMPTY_DICTIONARY = [...global("collections", "OrderedDict"), EMPTY_TUPLE, REDUCE];

function tuple(...items: readonly number[][]): number[] {
  return [MARK, ...items.flat(), TUPLE];
}

function string(value: string): number[] {
  const encoded = new TextEncoder().encode(value);
  return [0x58, ...uint32(encoded.length), ...encoded];
}

/** A whole number below 2³¹: no tensor of a network has more elements. */
function integer(value: number): number[] {
  return [0x4a, ...uint32(value)];
}

function uint32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
