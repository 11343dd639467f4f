/** JSON objects that know where they stand in the manifest, so that one wrong field gives one clear message. */
import { MasaError } from "../errors.js";

/** The manifest, or a file it names, cannot be used. */
export class ManifestError extends MasaError {
  override readonly name = "ManifestError";
}

/** What a case asks for is nothing this program can run. */
export class UnsupportedError extends MasaError {
  override readonly name = "UnsupportedError";
  constructor(problem: string) {
    super(problem, "Update this program, or omit the case with --filter");
  }
}

/** A JSON object. Every reader throws `ManifestError` where the field is not what it should be. */
export class Entry {
  constructor(
    readonly where: string,
    readonly value: Readonly<Record<string, unknown>>,
  ) {}

  static of(where: string, value: unknown): Entry {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw broken(where, value, "an object");
    return new Entry(where, value as Record<string, unknown>);
  }

  get keys(): string[] {
    return Object.keys(this.value);
  }

  has(name: string): boolean {
    return this.value[name] !== undefined && this.value[name] !== null;
  }

  /** The field as a text; `fallback` where it is absent. */
  text(name: string, fallback?: string): string {
    return this.#read(name, "a text", isText, fallback);
  }

  number(name: string, fallback?: number): number {
    return this.#read(name, "a number", isNumber, fallback);
  }

  flag(name: string, fallback?: boolean): boolean {
    return this.#read(name, "true or false", isFlag, fallback);
  }

  numbers(name: string): readonly number[] {
    return this.#read(name, "a list of numbers", isListOf(isNumber));
  }

  texts(name: string): readonly string[] {
    return this.#read(name, "a list of texts", isListOf(isText));
  }

  /** Sides of a tensor, [] for a scalar. */
  shape(name = "shape"): readonly number[] {
    return this.#read(name, "a shape", isListOf(isSide));
  }

  /** The object in the field. */
  entry(name: string): Entry {
    return Entry.of(`${this.where}.${name}`, this.value[name]);
  }

  /** The objects in the field's object, by name; none where it is absent. */
  entries(name: string): [name: string, entry: Entry][] {
    if (!this.has(name)) return [];
    const entry = this.entry(name);
    return entry.keys.map((key) => [key, entry.entry(key)]);
  }

  /** The objects in the field's list. */
  list(name: string): Entry[] {
    const value = this.#read(name, "a list", Array.isArray);
    return value.map((item, i) => Entry.of(`${this.where}.${name}[${i}]`, item));
  }

  /** Throws `UnsupportedError` where a field is there and has another value than the one that can run. */
  only(values: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(values)) {
      if (this.has(name) && this.value[name] !== value)
        throw new UnsupportedError(`${this.where}.${name} ${this.value[name]} cannot run, only ${value}`);
    }
  }

  /** What is wrong with a field, as an error to throw. */
  broken(name: string, wanted: string): ManifestError {
    return broken(`${this.where}.${name}`, this.value[name], wanted);
  }

  #read<T>(name: string, wanted: string, is: (value: unknown) => value is T, fallback?: T): T {
    const value = this.value[name];
    if (value === undefined && fallback !== undefined) return fallback;
    if (!is(value)) throw this.broken(name, wanted);
    return value;
  }
}

function broken(where: string, value: unknown, wanted: string): ManifestError {
  const found = value === undefined ? "is missing" : `is ${JSON.stringify(value).slice(0, 60)}`;
  return new ManifestError(`${where} ${found}; ${wanted} is wanted there`, "Correct the manifest, or copy it again");
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

function isFlag(value: unknown): value is boolean {
  return typeof value === "boolean";
}

function isSide(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isListOf<T>(is: (value: unknown) => value is T): (value: unknown) => value is T[] {
  return (value): value is T[] => Array.isArray(value) && value.every(is);
}
