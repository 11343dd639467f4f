/**
 * Files that are there whole or not at all: written beside the target, flushed to the disk, then renamed over it. A crash
 * leaves the old file, and at worst a temporary one that `removeLeftovers` finds by its name.
 */
import { link, mkdir, open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { OutputError } from "./errors.js";

/** What `besideTarget` calls files. */
const TEMPORARY = /^\..+\.(\d+)-\d+\.tmp$/;

let counter = 0;

/**
 * Writes one file from one or several pieces. Throws `OutputError`; the target then is what it was before (or new, where
 * only its folder could not be flushed).
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | readonly Uint8Array[]): Promise<void> {
  const pieces = bytes instanceof Uint8Array ? [bytes] : bytes;
  const target = await resolveTarget(path);
  const temporary = besideTarget(target);
  try {
    const file = await open(temporary, "wx");
    try {
      for (const piece of pieces) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw outputError(path, cause);
  }
}

/**
 * Gives the file `source` the second name `path`, in place of what had it. Throws `OutputError`, also where the file
 * system knows no second names; `path` then is what it was before.
 */
export async function linkFileAtomic(source: string, path: string): Promise<void> {
  const target = await resolveTarget(path);
  const temporary = besideTarget(target);
  try {
    await link(await realpath(source), temporary);
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (cause) {
    throw outputError(path, cause);
  } finally {
    // Renaming a name to another of the same file does nothing: then it is still there.
    await rm(temporary, { force: true }).catch(() => {});
  }
}

/** Creates a folder and those above it where they are missing; whether there was one to create. Throws `OutputError`. */
export async function makeFolder(path: string): Promise<boolean> {
  try {
    return await makeWithParents(resolve(path));
  } catch (cause) {
    throw codeOf(cause) === "EEXIST"
      ? new OutputError(`cannot create the folder ${path}: a file has this name`, "Choose another name", { cause })
      : outputError(path, cause);
  }
}

/** Node's own way, `recursive`, never ends where folders are refused as missing: in /proc, or where an automounter rules. */
async function makeWithParents(path: string, parents = true): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (cause) {
    if (parents && codeOf(cause) === "ENOENT" && dirname(path) !== path) {
      await makeWithParents(dirname(path));
      return makeWithParents(path, false);
    }
    if ((await stat(path).catch(() => undefined))?.isDirectory()) return false;
    throw cause;
  }
}

/**
 * The full name of the file that `writeFileAtomic` would make or replace, links followed. With `parents`, folders above it may
 * be missing: whoever writes makes them. Throws the `OutputError` that writing would throw: to be asked before hours of work.
 */
export async function checkTarget(path: string, { parents = false } = {}): Promise<string> {
  const target = await resolveTarget(path);
  const folder = parents ? await nearestFolder(dirname(path)) : dirname(path);
  const temporary = besideTarget(folder === dirname(path) ? target : join(folder, basename(path)));
  try {
    await (await open(temporary, "wx")).close();
    await rm(temporary);
  } catch (cause) {
    throw outputError(path, cause, folder);
  }
  return target;
}

/** The folder itself, or the next above it that exists. */
async function nearestFolder(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => undefined);
  return found === undefined && dirname(folder) !== folder ? nearestFolder(dirname(folder)) : folder;
}

/**
 * Removes what killed processes left in `folder` when they died while writing. To be called before this process writes
 * there: what bears its own number is of an earlier process with the same one, as every container has a process 1.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = Number(TEMPORARY.exec(name)?.[1]);
    if (pid === process.pid || (pid > 0 && !isRunning(pid))) await rm(join(folder, name), { force: true });
  }
}

function besideTarget(target: string): string {
  return join(dirname(target), `.${basename(target)}.${process.pid}-${counter++}.tmp`);
}

/** Follows links, so that a link stays one; refuses what must not be replaced by a file. */
async function resolveTarget(path: string): Promise<string> {
  const existing = await stat(path).catch(() => undefined);
  if (existing === undefined) return resolve(path);
  if (existing.isDirectory()) throw new OutputError(`cannot write ${path}: it is a folder`, "Name a file in it");
  if (!existing.isFile()) throw new OutputError(`cannot write ${path}: it is no ordinary file`, "Choose another name");
  return realpath(path);
}

/** Makes the new name itself survive a power cut. Not every system can; a broken or full disk is an error all the same. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  try {
    await handle?.sync();
  } catch (cause) {
    if (["EIO", "ENOSPC", "EDQUOT"].includes(codeOf(cause) ?? "")) throw cause;
  } finally {
    await handle?.close();
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

/** What kept `path` from being written, and the remedy. */
export function outputError(path: string, cause: unknown, folder = dirname(path)): OutputError {
  const [problem, advice] = reason(folder, cause);
  return new OutputError(`cannot write ${path}: ${problem}`, advice, { cause });
}

function reason(folder: string, cause: unknown): [problem: string, advice: string] {
  const code = codeOf(cause);
  if (code === "ENOENT") return [`the folder ${folder} does not exist`, "Create it first"];
  if (code === "EEXIST") return ["it exists already", "Choose another name or remove it"];
  if (code === "ENOTDIR") return [`${folder} is no folder`, "Name a folder that exists"];
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return [`the folder ${folder} may not be written`, "Check its permissions or choose another"];
  if (code === "ENOSPC" || code === "EDQUOT") return ["the disk is full", "Make room or choose another disk"];
  if (code === "EFBIG") return ["the file would be larger than allowed here", "Choose another disk or raise the limit"];
  if (code === "ENAMETOOLONG") return ["the name is too long", "Choose a shorter one"];
  return [cause instanceof Error ? cause.message : String(cause), "Check the path and the disk"];
}

/** The system's name of an error, as "ENOENT". */
function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
}
