/** A disk that is full: writing puts down half of a record and then fails. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

export function onFullDisk(run: () => void): void {
  const write = fs.writeSync;
  const half = (descriptor: number, bytes: Uint8Array, from: number, length: number, at: number) => {
    write(descriptor, bytes, from, length >> 1, at);
    throw Object.assign(new Error("injected"), { code: "ENOSPC" });
  };
  Object.assign(fs, { writeSync: half });
  syncBuiltinESMExports();
  try {
    run();
  } finally {
    fs.writeSync = write;
    syncBuiltinESMExports();
  }
}
