/** Tensors of weight files: their element types, and values that stay in the file's bytes until they are asked for. */
import { roundHalfEven } from "../image/image.js";
import { CheckpointError } from "./errors.js";

/** Element types, by their safetensors names. */
export type DType = "F64" | "F32" | "F16" | "BF16" | "I64" | "I32" | "I16" | "I8" | "U8" | "BOOL";

/** F16 and BF16 as raw bits in a Uint16Array, BOOL as 0 and 1. */
export type TensorData =
  | Float64Array
  | Float32Array
  | Uint16Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array;

const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

export function isDType(name: unknown): name is DType {
  return typeof name === "string" && Object.hasOwn(ARRAYS, name);
}

/** Bytes of one element. */
export function elementSize(dtype: DType): number {
  return ARRAYS[dtype].BYTES_PER_ELEMENT;
}

/** The product of the sizes; 1 for a scalar's []. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Little-endian bytes as elements: a view where the bytes are aligned, else a copy. */
export function viewBytes(dtype: DType, bytes: Uint8Array): TensorData {
  const aligned = bytes.byteOffset % elementSize(dtype) === 0 ? bytes : new Uint8Array(bytes);
  const length = bytes.byteLength / elementSize(dtype);
  return new ARRAYS[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, length);
}

/** A tensor of a file, row-major. Its `data` are fetched on first use and may be a view of the file's bytes: do not write into them. */
export class FileTensor {
  #data: TensorData | undefined;
  readonly #load: () => TensorData;

  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    load: () => TensorData,
  ) {
    this.#load = load;
  }

  /** A tensor around values that exist. Throws `CheckpointError` where their number or type does not fit. */
  static of(dtype: DType, shape: readonly number[], data: TensorData): FileTensor {
    if (!(data instanceof ARRAYS[dtype]) || data.length !== elementCount(shape)) {
      throw new CheckpointError(
        `${data.length} values in a ${data.constructor.name} are no ${dtype} tensor of shape [${shape}]`,
        `Give ${elementCount(shape)} values in a ${ARRAYS[dtype].name}`,
      );
    }
    return new FileTensor(dtype, shape, () => data);
  }

  /** The elements, row-major, in an array of the type's own kind; read from the file on first use. */
  get data(): TensorData {
    this.#data ??= this.#load();
    return this.#data;
  }

  /** The values rounded to float32 (F32 without a copy). Integers beyond 2²⁴ lose digits. */
  toFloat32(): Float32Array {
    const { data } = this;
    if (data instanceof Float32Array) return data;
    if (data instanceof BigInt64Array) return Float32Array.from(data, Number);
    if (this.dtype === "F16") return Float32Array.from(data, halfToNumber);
    if (this.dtype === "BF16") return new Float32Array(Uint32Array.from(data, (bits) => bits << 16).buffer);
    return Float32Array.from(data);
  }

  /** The values rounded to the nearest float16. Throws `CheckpointError` for one that is too large for it. */
  toHalf(): FileTensor {
    const values = this.toFloat32();
    const large = values.find((value) => Number.isFinite(value) && Math.abs(value) >= HALF_OVERFLOW);
    if (large !== undefined)
      throw new CheckpointError(
        `${large} is too large for 16 bits, which reach to 65504`,
        "Keep these values in 32 bits",
      );
    return FileTensor.of("F16", this.shape, Uint16Array.from(values, numberToHalf));
  }
}

/** IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** What rounds to 2¹⁶, above the largest half, 65504. */
const HALF_OVERFLOW = 65520;

/** The nearest half; of two equally near the one with an even fraction. */
function numberToHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= HALF_OVERFLOW) return sign | 0x7c00;
  // Halves are whole multiples of a step, 2⁻²⁴ at least; what rounds up to the next power of two carries into the exponent.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  return sign | (((exponent + 14) << 10) + roundHalfEven(size * 2 ** (10 - exponent)));
}
