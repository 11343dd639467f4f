/**
 * Files that are there whole or not at all: written beside the target, flushed to the disk, then renamed over it. A crash
 * leaves the old file, and at worst a temporary one that `removeLeftovers` finds by its name.
 */
import { open, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { OutputError } from "./errors.js";

let counter = 0;

/** Writes one file from one or several pieces. Throws `OutputError`; the target then is what it was before. */
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
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw explain(path, cause);
  }
  await syncFolder(dirname(target));
}

/**
 * The full name of the file that `writeFileAtomic` would make or replace, links followed. Throws the `OutputError` that it
 * would throw: to be asked before hours of work.
 */
export async function checkTarget(path: string): Promise<string> {
  const target = await resolveTarget(path);
  const temporary = besideTarget(target);
  try {
    await (await open(temporary, "wx")).close();
    await rm(temporary);
  } catch (cause) {
    throw explain(path, cause);
  }
  return target;
}

/** Removes what killed processes left beside `path` when they died while writing it. */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `.${basename(path)}.`;
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = name.startsWith(prefix) ? /^(\d+)-\d+\.tmp$/.exec(name.slice(prefix.length))?.[1] : undefined;
    if (pid !== undefined && !isRunning(Number(pid))) await rm(join(folder, name), { force: true });
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

/** Makes the new name itself survive a power cut, where the system can. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function explain(path: string, cause: unknown): OutputError {
  const [problem, advice] = reason(dirname(path), cause);
  return new OutputError(`cannot write ${path}: ${problem}`, advice, { cause });
}

function reason(folder: string, cause: unknown): [problem: string, advice: string] {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT") return [`the folder ${folder} does not exist`, "Create it first"];
  if (code === "ENOTDIR") return [`${folder} is no folder`, "Name a folder that exists"];
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return [`the folder ${folder} may not be written`, "Check its permissions or choose another"];
  if (code === "ENOSPC" || code === "EDQUOT") return ["the disk is full", "Make room or choose another disk"];
  if (code === "ENAMETOOLONG") return ["the name is too long", "Choose a shorter one"];
  return [cause instanceof Error ? cause.message : String(cause), "Check the path and the disk"];
}
