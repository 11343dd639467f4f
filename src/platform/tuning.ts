/**
 * What the tuner found, kept between runs in the user's cache folder: JSON with the choices of each adapter and driver. They
 * hold for the shaders and kernels that were measured, which a hash tells; what others measured is ignored and replaced.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { makeFolder, writeFileAtomic } from "../files/atomic.js";
import type { AdapterInfo, Device } from "../gpu/device.js";

const FORMAT = "masa-webgpu tuning 1";

interface Entry {
  /** Hash of the code that was measured. */
  readonly code: string;
  readonly choices: Readonly<Record<string, string>>;
}

/** Entries by adapter and driver. */
type Entries = Readonly<Record<string, Entry>>;

/** Where choices are kept, and the hash of the code that they are for. */
export interface TuningPlace {
  readonly path: string;
  readonly code: () => string;
}

/** The user's own cache, for this code. */
export function tuningPlace(): TuningPlace {
  return { path: tuningPath(process.platform, process.env, homedir()), code: codeHash };
}

/** `tuning.json` in the cache folder of this system: XDG's, macOS's or Windows'. */
export function tuningPath(system: string, env: Readonly<Record<string, string | undefined>>, home: string): string {
  const { XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = env;
  const caches =
    xdg && isAbsolute(xdg)
      ? xdg
      : system === "darwin"
        ? join(home, "Library", "Caches")
        : system === "win32"
          ? (local ?? join(home, "AppData", "Local"))
          : join(home, ".cache");
  return join(caches, "masa-webgpu", "tuning.json");
}

const SHADERS = new URL("../../../shaders/", import.meta.url);
const KERNELS = new URL("../kernels/", import.meta.url);

/** Hash of all shaders, and of the kernels, which say what variants there are and how they are dispatched. */
export function codeHash(folders: readonly URL[] = [SHADERS, KERNELS]): string {
  const hash = createHash("sha256");
  for (const folder of folders) {
    const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
      /\.(wgsl|js)$/.test(name),
    );
    for (const name of names.sort()) hash.update(`${name}\n`).update(readFileSync(new URL(name, folder)));
  }
  return hash.digest("hex").slice(0, 16);
}

/** What is kept for the device's adapter and driver and for this code. A broken file counts as empty, with a warning. */
export async function keptChoices(
  device: Device,
  { path, code } = tuningPlace(),
): Promise<ReadonlyMap<string, string>> {
  return valid((await read(device, path))[adapterKey(device.info)], code);
}

/** Adds `device.choices` to what is kept. Throws `OutputError`. */
export async function keepChoices(device: Device, { path, code } = tuningPlace()): Promise<void> {
  const entries = await read(device, path);
  const adapter = adapterKey(device.info);
  const choices = new Map([...valid(entries[adapter], code), ...device.choices]);
  await write(path, { ...entries, [adapter]: { code: code(), choices: Object.fromEntries([...choices].sort(byKey)) } });
}

function valid(entry: Entry | undefined, code: () => string): Map<string, string> {
  return new Map(entry && entry.code === code() ? Object.entries(entry.choices) : []);
}

function byKey([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1;
}

/** Forgets what is kept for the device's adapter and driver, and `device.choices`. Throws `OutputError`. */
export async function clearChoices(device: Device, { path } = tuningPlace()): Promise<void> {
  device.choices.clear();
  const { [adapterKey(device.info)]: gone, ...others } = await read(device, path);
  if (gone) await write(path, others);
}

/** Dawn tells the driver with its version in the description. */
function adapterKey({ name, description }: AdapterInfo): string {
  return `${name} · ${description}`;
}

async function read({ platform }: Device, path: string): Promise<Entries> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== "ENOENT") platform.warn(`the tuner's results cannot be read: ${message}`);
    return {};
  }
  const entries = parse(text);
  if (!entries) platform.warn(`${path} is damaged and is ignored; 'masa tune' writes it anew`);
  return entries ?? {};
}

function parse(text: string): Entries | undefined {
  try {
    const { format, adapters } = JSON.parse(text) as { format?: unknown; adapters?: Entries };
    return format === FORMAT && Object.values(adapters ?? {}).every(isEntry) ? adapters : undefined;
  } catch {
    return undefined;
  }
}

function isEntry({ code, choices }: Entry): boolean {
  return typeof code === "string" && Object.values(choices).every((variant) => typeof variant === "string");
}

async function write(path: string, adapters: Entries): Promise<void> {
  await makeFolder(dirname(path));
  await writeFileAtomic(path, Buffer.from(`${JSON.stringify({ format: FORMAT, adapters }, undefined, 2)}\n`));
}
