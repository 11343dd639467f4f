import { readFile } from "node:fs/promises";
import type { MasaError } from "../errors.js";

type ErrorClass = new (what: string, advice: string, options?: ErrorOptions) => MasaError;

/** The bytes of a file; what is wrong with it (missing, a folder, forbidden, empty) as an error of the given class. */
export async function readBytes(path: string, Failure: ErrorClass): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const [problem, advice] = explain(cause);
    throw new Failure(`${path} ${problem}`, advice, { cause });
  }
  if (bytes.length === 0) throw new Failure(`${path} is empty`, "Copy or download the file again");
  return bytes;
}

function explain(cause: unknown): [problem: string, advice: string] {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR") return ["does not exist", "Check the path"];
  if (code === "EISDIR") return ["is a folder", "Name a file in it"];
  if (code === "EACCES" || code === "EPERM") return ["may not be read", "Check the file's permissions"];
  if (code === "ERR_FS_FILE_TOO_LARGE") return ["is larger than 2 GiB", "Check that it is the right file"];
  return [`cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, "Check the path and the disk"];
}
