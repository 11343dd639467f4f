/** File system calls that fail, one after another, to see what is left. */
import fs, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

type Call = (...args: never[]) => Promise<unknown>;
const CALLS = ["open", "link", "readdir", "rename", "rm", "stat"] as const;
const HANDLE_CALLS = ["writeFile", "sync", "close"] as const;

export interface Fault {
  /** The call that fails, counted from 0. */
  readonly at: number;
  readonly code: string;
  /** All later calls fail as well. */
  readonly lasting: boolean;
}

/** Runs `run` while a call fails. Returns how many calls there were. A write fails half-way; a close fails when done. */
export async function withFault({ at, code, lasting }: Fault, run: () => Promise<void>): Promise<number> {
  let count = 0;
  const fails = () => {
    const index = count++;
    return index === at || (lasting && index > at);
  };
  const failure = () => Object.assign(new Error(`${code}: injected`), { code });

  const original = Object.fromEntries(CALLS.map((name) => [name, fs[name]]));
  for (const name of CALLS) {
    const call = fs[name] as Call;
    const faulty: Call = async (...args) => {
      if (fails()) throw failure();
      const result = await call.apply(fs, args);
      if (name === "open") sabotage(result as FileHandle, fails, failure);
      return result;
    };
    Object.assign(fs, { [name]: faulty });
  }
  syncBuiltinESMExports();
  try {
    await run();
  } finally {
    Object.assign(fs, original);
    syncBuiltinESMExports();
  }
  return count;
}

function sabotage(handle: FileHandle, fails: () => boolean, failure: () => Error): void {
  for (const name of HANDLE_CALLS) {
    const call = (handle[name] as Call).bind(handle);
    const faulty: Call = async (...args) => {
      if (!fails()) return call(...args);
      if (name === "writeFile") {
        const piece = args[0] as unknown as Uint8Array;
        await call(piece.subarray(0, piece.length / 2) as never);
      }
      if (name === "close") await call();
      throw failure();
    };
    Object.assign(handle, { [name]: faulty });
  }
}
