/**
 * The whole state of a training run in one file, and the folder of such files that a run leaves. A checkpoint is
 * safetensors with its state as JSON and a SHA-256 in the metadata: a flipped bit or a lost end is an error or changes
 * nothing. A new one is on the disk, under its own name, before an old one goes.
 */
import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkTarget, linkFileAtomic, makeFolder, removeLeftovers } from "../files/atomic.js";
import { CheckpointError, OutputError } from "../files/errors.js";
import { readBytes } from "../files/read.js";
import { writeSafetensors } from "../files/safetensors.js";
import { FORMAT, type JsonValue, parseState, VERSION } from "../formats/checkpoint.js";
import { parseSafetensors, type Safetensors } from "../formats/safetensors.js";
import type { FileTensor } from "../formats/tensor.js";

const BEST = "best.safetensors";
const AGAIN = "Copy it again, or take an earlier checkpoint of the run";

export interface Checkpoint {
  /** By names whose first part tells what they belong to: `generator/enc.conv_L1.weight`. */
  readonly tensors: ReadonlyMap<string, FileTensor>;
  /** Whatever else the run depends on. */
  readonly state: { readonly [key: string]: JsonValue };
}

/**
 * Writes a checkpoint in one step; its tensors must not change meanwhile. Throws `OutputError`, and `CheckpointError` for
 * a state that JSON would alter.
 */
export async function writeCheckpoint(path: string, { tensors, state }: Checkpoint): Promise<void> {
  const text = JSON.stringify(state, (key, value: unknown) => {
    if (typeof value === "number" && !Number.isFinite(value))
      throw new CheckpointError(`the state's ${key} is ${value}, which JSON cannot hold`, "Save null instead");
    return value;
  });
  const metadata: [string, string][] = [
    ["format", FORMAT],
    ["version", String(VERSION)],
    ["state", text],
  ];
  await writeSafetensors(path, tensors, [...metadata, ["sha256", digest(tensors, metadata)]]);
}

/** Reads a checkpoint and verifies every byte of it. Throws `CheckpointError`. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  return parseCheckpoint(await readBytes(path, CheckpointError), path);
}

/** Reads a checkpoint from memory; `name` is what errors call it. Throws `CheckpointError`. */
export function parseCheckpoint(bytes: Uint8Array, name: string): Checkpoint {
  let file: Safetensors;
  try {
    file = parseSafetensors(bytes, name);
  } catch (cause) {
    if (!(cause instanceof CheckpointError)) throw cause;
    throw new CheckpointError(cause.problem, AGAIN, { cause });
  }
  return verify(file, name);
}

/** The checkpoint that a file holds. Throws `CheckpointError` where it holds none, or not the one that was written. */
export function verify(file: Safetensors, name: string): Checkpoint {
  const state = parseState(file, name);
  const { sha256, ...metadata } = Object.fromEntries(file.metadata);
  if (state === undefined || sha256 !== digest(file.tensors, Object.entries(metadata)))
    throw new CheckpointError(`${name} is damaged: its content does not fit its checksum`, AGAIN);
  return { tensors: file.tensors, state };
}

/** SHA-256 of all that a reader sees, in an order that does not depend on the file's. */
function digest(tensors: ReadonlyMap<string, FileTensor>, metadata: Iterable<readonly [string, string]>): string {
  const hash = createHash("sha256");
  // JSON ends where it ends, so no two contents make the same text.
  hash.update(`${JSON.stringify([...metadata].sort(byName))}\n`);
  for (const [name, { dtype, shape, data }] of [...tensors].sort(byName)) {
    hash.update(`${JSON.stringify([name, dtype, shape])}\n`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}

/** By UTF-16 units, the same in every language of the system. */
function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

/** What `Checkpoints.newest` found. */
export interface FoundCheckpoint {
  readonly path: string;
  readonly checkpoint: Checkpoint;
  /** Newer ones that cannot be read, the newest first. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

/** The checkpoints of one run: `step-00001234.safetensors`, the last `keep` of them, and `best.safetensors`. */
export class Checkpoints {
  readonly #unreadable = new Set<string>();

  /** Throws `CheckpointError` where `keep` is no whole number of at least 1. */
  constructor(
    readonly folder: string,
    readonly keep: number,
  ) {
    requireCount("keep", keep, 1);
  }

  /** Makes the folder, removes what a killed run left half written, and tries whether it can be written: `OutputError`. */
  async prepare(): Promise<void> {
    await makeFolder(this.folder);
    await removeLeftovers(this.folder);
    await checkTarget(join(this.folder, BEST));
  }

  /**
   * Writes the checkpoint of a step, as the best too if it is; removes older ones than the last `keep` when all this is on
   * the disk. Gives its path. Throws `OutputError`; then nothing is lost of what there was.
   */
  async save(step: number, checkpoint: Checkpoint, { best = false } = {}): Promise<string> {
    requireCount("step", step, 0);
    const path = join(this.folder, `step-${String(step).padStart(8, "0")}.safetensors`);
    if (best) await this.#saveBest(path, checkpoint);
    else await writeCheckpoint(path, checkpoint);
    this.#unreadable.delete(path);
    await this.#removeOlder(step);
    return path;
  }

  /**
   * The newest checkpoint that can be read, the best one where no other can; undefined where there is none at all. Throws
   * `CheckpointError` where there are some and none can be read.
   */
  async newest(): Promise<FoundCheckpoint | undefined> {
    const skipped: { path: string; reason: string }[] = [];
    for (const { path } of await this.#list()) {
      try {
        return { path, checkpoint: await readCheckpoint(path), skipped };
      } catch (cause) {
        if (!(cause instanceof CheckpointError)) throw cause;
        this.#unreadable.add(path);
        skipped.push({ path, reason: cause.problem });
      }
    }
    if (skipped.length === 0) return undefined;
    throw new CheckpointError(
      `no checkpoint in ${this.folder} can be read`,
      ["Copy one from elsewhere, or begin anew in another folder", ...skipped.map(({ reason }) => reason)].join("\n  "),
    );
  }

  /** Whether there is any checkpoint, readable or not. */
  async isUsed(): Promise<boolean> {
    return (await this.#list()).length > 0;
  }

  /**
   * The best comes first: a run that dies in between goes on from an earlier step and finds this one again, whereas a run
   * that knows this step must find it saved as the best. The step is a second name of the same file, which costs no room,
   * and a second file where the file system has no such names.
   */
  async #saveBest(path: string, checkpoint: Checkpoint): Promise<void> {
    const best = join(this.folder, BEST);
    await writeCheckpoint(best, checkpoint);
    try {
      await linkFileAtomic(best, path);
    } catch (cause) {
      if (!(cause instanceof OutputError)) throw cause;
      await writeCheckpoint(path, checkpoint);
    }
  }

  /** Later ones stay: they are of a run that this one does not go on from. */
  async #removeOlder(step: number): Promise<void> {
    const files = await this.#list().catch(() => []);
    const older = files.filter((file) => file.step >= 0 && file.step < step);
    const kept = older.filter(({ path }) => !this.#unreadable.has(path)).slice(0, this.keep - 1);
    for (const file of older) {
      // What cannot be removed now is tried again at the next step.
      if (!kept.includes(file)) await rm(file.path, { force: true }).catch(() => {});
    }
  }

  /** All files of checkpoints, the newest first and the best last, as step −1. */
  async #list(): Promise<{ readonly path: string; readonly step: number }[]> {
    const names = await readdir(this.folder).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return [];
      throw new CheckpointError(`the folder ${this.folder} cannot be read: ${cause.message}`, "Check its permissions", {
        cause,
      });
    });
    return names
      .map((name) => ({
        path: join(this.folder, name),
        step: name === BEST ? -1 : Number(/^step-(\d+)\.safetensors$/.exec(name)?.[1]),
      }))
      .filter(({ step }) => !Number.isNaN(step))
      .sort((a, b) => b.step - a.step);
  }
}

function requireCount(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new CheckpointError(`${name} is ${value}`, `Give a whole number of at least ${least}`);
}
