/**
 * A WGSL file as the runtime sees it: its text with some constants set, and the interface read from its declarations.
 *
 * Shaders are ordinary files. What a kernel varies are lines of the form `const TILE_X: u32 = 4;` or
 * `alias Value = vec4f;`, whose value is replaced before compilation, so that tile sizes can size arrays and the compiler
 * can fold them (an `override` cannot do the first). Bindings are matched by name, and the scalars of `struct Params` are laid out in the order of the file.
 */
import { ShaderError } from "./errors.js";

export type ConstantValue = number | boolean | string;
export type Access = "read" | "write" | "uniform";

export interface ShaderBinding {
  readonly name: string;
  readonly index: number;
  readonly access: Access;
}

export interface ShaderParam {
  readonly name: string;
  readonly type: "u32" | "i32" | "f32";
}

/** What a shader declares: storage and uniform bindings by name, and the fields of its `Params`. */
export interface ShaderInterface {
  readonly bindings: readonly ShaderBinding[];
  readonly params: readonly ShaderParam[];
  readonly paramsIndex: number | undefined;
}

const BINDING = /@group\(0\)\s*@binding\((\d+)\)\s*var<\s*(storage|uniform)\s*(?:,\s*(read_write|read)\s*)?>\s*(\w+)/g;

/** Reads the bindings and parameters that WGSL text declares. */
export function shaderInterface(name: string, wgsl: string): ShaderInterface {
  const code = wgsl.replace(/\/\/.*$/gm, "");
  const bindings: ShaderBinding[] = [];
  let paramsIndex: number | undefined;
  for (const [, index, space, mode, variable] of code.matchAll(BINDING)) {
    if (variable === "params") paramsIndex = Number(index);
    else {
      const access = space === "uniform" ? "uniform" : mode === "read_write" ? "write" : "read";
      bindings.push({ name: variable as string, index: Number(index), access });
    }
  }
  return { bindings, params: paramsIndex === undefined ? [] : paramFields(name, code), paramsIndex };
}

function paramFields(name: string, code: string): ShaderParam[] {
  const body = /struct\s+Params\s*\{([^}]*)\}/.exec(code)?.[1];
  if (body === undefined) throw new ShaderError(`shader ${name} binds params but has no struct Params`, "Add it");
  return [...body.matchAll(/(\w+)\s*:\s*(\w+)/g)].map(([, field, type]) => {
    if (type !== "u32" && type !== "i32" && type !== "f32")
      throw new ShaderError(`shader ${name}: Params.${field} is ${type}`, "Params holds u32, i32 and f32 only");
    return { name: field as string, type };
  });
}

/**
 * The text with every `const NAME = …;` or `alias NAME = …;` line that `constants` names given its new value. A number is
 * written as the old value is, `8u` or `8`: the type of a constant is declared in one place.
 */
export function setConstants(name: string, wgsl: string, constants: Readonly<Record<string, ConstantValue>>): string {
  let text = wgsl;
  for (const [constant, value] of Object.entries(constants)) {
    const line = new RegExp(`^(const|alias) ${constant}\\b(\\s*:\\s*\\w+)?\\s*=\\s*([^;]*);`, "m");
    if (!line.test(text))
      throw new ShaderError(`shader ${name} has no line 'const ${constant} = …;'`, "Declare it or drop the constant");
    text = text.replace(line, (_, word: string, type = "", old = "") => {
      const suffix = typeof value === "number" && /\du$/.test(old) ? "u" : "";
      return `${word} ${constant}${type} = ${value}${suffix};`;
    });
  }
  return text;
}

/**
 * The text with the bindings of these names stored in 16 bits: where `x` is one, `alias StoredX = f32;` becomes f16, and
 * `alias StoredX = Values;` the halves of what the alias `Values` is. `enable f16;` stands in front only then, since adapters
 * without halves refuse the line, and on no line of its own, so that messages count lines as the file does.
 */
export function storeHalves(name: string, wgsl: string, bindings: readonly string[]): string {
  if (bindings.length === 0) return wgsl;
  const aliases = bindings.map((binding) => `Stored${binding.charAt(0).toUpperCase()}${binding.slice(1)}`);
  const types = aliases.map((alias, i) => {
    const type = aliased(wgsl, alias);
    if (type === alias)
      throw new ShaderError(
        `shader ${name} has no 16 bits for ${bindings[i]}`,
        `Declare 'alias ${alias} = f32;' or cast`,
      );
    return type.replace(/f32|(?<=vec\d)f/, (word) => (word === "f" ? "h" : "f16"));
  });
  const stored = Object.fromEntries(aliases.map((alias, i) => [alias, types[i] as string]));
  return `enable f16; ${setConstants(name, wgsl, stored)}`;
}

/** What a type is called that is no alias: `type` itself, or what stands behind it. */
function aliased(wgsl: string, type: string): string {
  const behind = new RegExp(`^alias ${type} = ([^;]*);`, "m").exec(wgsl)?.[1];
  return behind === undefined ? type : aliased(wgsl, behind);
}

/** The bytes of a `Params` uniform: `values` must name each field exactly once. */
export function packParams(name: string, fields: readonly ShaderParam[], values: Readonly<Record<string, number>>) {
  const bytes = new ArrayBuffer(Math.max(16, Math.ceil(fields.length / 4) * 16));
  const view = new DataView(bytes);
  for (const [i, field] of fields.entries()) {
    const value = values[field.name];
    if (value === undefined) throw new ShaderError(`shader ${name}: Params.${field.name} is not given`, "Pass it");
    if (field.type === "f32") view.setFloat32(4 * i, value, true);
    else if (field.type === "u32" && (!Number.isInteger(value) || value < 0 || value > 0xffffffff))
      throw new ShaderError(`shader ${name}: Params.${field.name} = ${value} is no u32`, "Pass a whole number");
    else if (field.type === "u32") view.setUint32(4 * i, value, true);
    else view.setInt32(4 * i, value, true);
  }
  for (const given of Object.keys(values)) {
    if (!fields.some((field) => field.name === given))
      throw new ShaderError(`shader ${name} has no Params.${given}`, "Drop it or declare it");
  }
  return bytes;
}
