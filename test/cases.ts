/** The small files in test/cases. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = new URL("../../test/cases/", import.meta.url);

export function casePath(name: string): string {
  return fileURLToPath(new URL(name, FOLDER));
}

export function caseBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(casePath(name)));
}
