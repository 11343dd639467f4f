/** The CPU time of this thread: what JavaScript and Dawn spend before the GPU's work is in the driver's hands. */
import { readFileSync } from "node:fs";

const FILE = `/proc/self/task/${process.pid}/schedstat`;
const nothing = new Int32Array(new SharedArrayBuffer(4));

/**
 * A clock in milliseconds that stands still while the thread waits or others have its core; where the system has none
 * (only Linux does), the one on the wall. Asking takes a tenth of a millisecond.
 */
export function threadTime(): number {
  // Linux brings the figure up to date when it takes the core away from the thread.
  Atomics.wait(nothing, 0, 0, 0.01);
  try {
    return Number(readFileSync(FILE, "utf8").split(" ")[0]) / 1e6;
  } catch {
    return performance.now();
  }
}
