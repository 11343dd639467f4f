/**
 * The ranks of an MPI job: one process and one GPU device each. Collective calls (all but `post` and `take`) must be made by
 * every rank in the same order, as in MPI. They never block Node's event loop: an operation is started and then polled.
 *
 * A rank that has died is noticed in two ways. Ranks of one host watch one another's process ids. Across hosts the launcher
 * does it: mpirun and srun end a job that has lost a process, and so does MPI_Abort, which the watchers call.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as pause, setImmediate as turn } from "node:timers/promises";
import { deserialize, serialize } from "node:v8";
import { RankError } from "./errors.js";
import type { Launch } from "./launcher.js";
import { Library, type Memory, type Request } from "./library.js";

/** Where a rank runs. */
export interface Member {
  readonly rank: number;
  readonly host: string;
  readonly pid: number;
  /** Equal for processes that can see each other's ids. */
  readonly space: string;
}

/** Polls in a row before the pauses begin: while data flow, every poll moves them on. */
const EAGER_MILLISECONDS = 5;
const EAGER_POLLS = 4;
const PAUSE = 1;
/** After a second of waiting, a longer pause saves CPU time. */
const LONG_WAIT = 1000;
const LONG_PAUSE = 4;
/** Between two looks at the processes of this host. */
const WATCH_INTERVAL = 1000;
/** How long ranks that failed wait for the others to fail as well, before they end the job. */
const FAILURE_GRACE = 3000;
/** MPI counts bytes in an int. */
const MOST_BYTES = 2 ** 30;
const MESSAGE_TAG = 1;

/** What came of a rank's share of a common task. */
type Outcome = { readonly failure?: string };

/** A message from another rank. */
export interface Message {
  readonly from: number;
  readonly value: unknown;
}

export class Ranks {
  readonly rank: number;
  readonly size: number;
  /** Where each rank runs, by rank. */
  members: readonly Member[] = [];
  readonly #library: Library;
  readonly #data: bigint | number;
  readonly #messages: bigint | number;
  readonly #end: bigint | number;
  #watch: NodeJS.Timeout | undefined;
  #leaving = false;
  #left = false;

  private constructor(
    library: Library,
    readonly localRank: number,
  ) {
    this.#library = library;
    this.rank = library.rank;
    this.size = library.size;
    [this.#data, this.#messages, this.#end] = [library.duplicate(), library.duplicate(), library.duplicate()];
  }

  /** Starts MPI. Throws `RankError` where it is missing or is not the launcher's. */
  static async join(launch: Launch): Promise<Ranks> {
    const library = Library.load(launch);
    library.init();
    if (library.size !== launch.size) {
      const found = `${library.path} (${library.version}) sees ${library.size}`;
      library.finalize();
      throw new RankError(
        `the launcher started ${launch.size} processes, but ${found}: it belongs to another MPI implementation`,
        `Use the mpirun of that library, or set MASA_MPI to the libmpi.so of your mpirun${
          launch.implementation ? ` (${launch.implementation})` : ""
        }`,
      );
    }
    const ranks = new Ranks(library, launch.localRank);
    ranks.members = await ranks.gather({ rank: ranks.rank, host: hostname(), pid: process.pid, space: processSpace() });
    ranks.#watch = setInterval(() => ranks.#look(), WATCH_INTERVAL).unref();
    return ranks;
  }

  /** Name and version of the MPI implementation. */
  get version(): string {
    return this.#library.version;
  }

  /** Polls until an operation is done. `flowing` data are polled without pauses at first. */
  async #finish(request: Request, flowing = false): Promise<void> {
    const began = performance.now();
    for (let polls = 0; !this.#library.test(request); polls++) {
      const waited = performance.now() - began;
      if (polls < EAGER_POLLS || (flowing && waited < EAGER_MILLISECONDS)) await turn();
      else await pause(waited < LONG_WAIT ? PAUSE : LONG_PAUSE);
    }
  }

  /** Every rank gets block `rank` of each rank's `from`, in the order of ranks: `to` holds `size` blocks. */
  async exchange(from: Float32Array, to: Float32Array): Promise<void> {
    const bytes = from.byteLength / this.size;
    // Waiting for a slower rank must not cost CPU time: polls without pauses begin when all are here.
    await this.barrier();
    await this.#finish(this.#library.allToAll(from, to, bytes, this.#data), true);
  }

  /** Every rank gets `from` of all ranks, in their order. */
  async collect<M extends Memory>(from: M, to: M): Promise<void> {
    await this.#finish(this.#library.allGather(from, to, this.#data), true);
  }

  /** Waits for all ranks. */
  async barrier(): Promise<void> {
    await this.#finish(this.#library.barrier(this.#data));
  }

  /** The value of every rank, by rank. Values are what Node's `v8.serialize` takes. */
  async gather<T>(value: T): Promise<T[]> {
    const bytes = serialize(value);
    const lengths = new Float32Array(new ArrayBuffer(Math.max(64, 4 * this.size)), 0, this.size);
    const own = new Float32Array(new ArrayBuffer(64), 0, 1);
    // The bits of an integer: a float would round it.
    new Uint32Array(own.buffer)[0] = bytes.length;
    await this.#finish(this.#library.allGather(own, lengths, this.#data));
    const counts = [...new Uint32Array(lengths.buffer, 0, this.size)];
    const most = Math.max(...counts);
    const from = new Uint8Array(new ArrayBuffer(Math.max(64, most)), 0, most);
    from.set(bytes);
    const to = new Uint8Array(new ArrayBuffer(Math.max(64, most * this.size)), 0, most * this.size);
    await this.#finish(this.#library.allGather(from, to, this.#data), true);
    return counts.map((count, rank) => deserialize(to.subarray(rank * most, rank * most + count)) as T);
  }

  /** Rank 0's value on every rank; what others pass is ignored. */
  async share<T>(value: T): Promise<T> {
    const bytes = this.rank === 0 ? serialize(value) : new Uint8Array();
    const [length] = (await this.gather(bytes.length)) as [number];
    const memory = new Uint8Array(new ArrayBuffer(Math.max(64, length)), 0, length);
    memory.set(bytes);
    for (let first = 0; first < length; first += MOST_BYTES) {
      const part = memory.subarray(first, Math.min(length, first + MOST_BYTES));
      await this.#finish(this.#library.broadcast(part, 0, this.#data), true);
    }
    return this.rank === 0 ? value : (deserialize(memory) as T);
  }

  /** Whether any rank passes true. */
  async any(flag: boolean): Promise<boolean> {
    const from = new Uint8Array(new ArrayBuffer(64), 0, 1);
    from[0] = Number(flag);
    const to = new Uint8Array(new ArrayBuffer(Math.max(64, this.size)), 0, this.size);
    await this.#finish(this.#library.allGather(from, to, this.#data));
    return to.includes(1);
  }

  /** Does `work` on every rank. If it fails on one, all fail: that one with its error, the others naming the rank. */
  async together<T>(work: () => T | Promise<T>): Promise<T> {
    let result: T | undefined;
    let error: unknown;
    let outcome: Outcome = {};
    try {
      result = await work();
    } catch (caught) {
      error = caught;
      outcome = { failure: caught instanceof Error ? caught.message : String(caught) };
    }
    const outcomes = await this.gather(outcome);
    if (outcome.failure !== undefined) throw error;
    const rank = outcomes.findIndex(({ failure }) => failure !== undefined);
    if (rank >= 0) throw new RankError(`${this.describe(rank)} failed`, `It reports: ${outcomes[rank]?.failure}`);
    return result as T;
  }

  /** Sends a message. It is delivered when the other rank takes it; resolves when the memory is free again. */
  async post(to: number, value: unknown): Promise<void> {
    const bytes = serialize(value);
    const memory = new Uint8Array(new ArrayBuffer(Math.max(64, bytes.length)), 0, bytes.length);
    memory.set(bytes);
    await this.#finish(this.#library.send(memory, to, MESSAGE_TAG, this.#messages));
  }

  /** A message that has arrived, from `from` or from anyone; undefined if there is none. */
  async take(from = this.#library.anySource): Promise<Message | undefined> {
    const arrival = this.#library.probe(from, MESSAGE_TAG, this.#messages);
    if (!arrival) return undefined;
    const memory = new Uint8Array(new ArrayBuffer(Math.max(64, arrival.bytes)), 0, arrival.bytes);
    await this.#finish(this.#library.receive(memory, arrival.source, MESSAGE_TAG, this.#messages), true);
    return { from: arrival.source, value: deserialize(memory) };
  }

  /** Waits for a message of `from`. */
  async expect(from: number): Promise<unknown> {
    for (let polls = 0; ; polls++) {
      const message = await this.take(from);
      if (message) return message.value;
      await (polls < EAGER_POLLS ? turn() : pause(PAUSE));
    }
  }

  /** "rank 2 (process 4711 on node3)". */
  describe(rank: number): string {
    const member = this.members[rank];
    return member ? `rank ${rank} (process ${member.pid} on ${member.host})` : `rank ${rank}`;
  }

  /** The ranks of this host that have ended. */
  ended(): number[] {
    const here = this.members[this.rank];
    return this.members
      .filter(({ rank, host, space, pid }) => {
        if (rank === this.rank || host !== here?.host || space !== here.space) return false;
        return !isAlive(pid);
      })
      .map(({ rank }) => rank);
  }

  #look(): void {
    const [lost] = this.ended();
    if (lost === undefined || this.#left) return;
    // Those that have passed the last barrier may go.
    if (this.#leaving) return;
    this.#failJob(`${this.describe(lost)} has ended unexpectedly; the other ranks stop`);
  }

  #failJob(message: string): never {
    process.stderr.write(`masa, rank ${this.rank}: ${message}\n`);
    this.#library.abort(1);
    process.exit(1);
  }

  /** Throws away the job where a rank of this host has ended: for a signal that the launcher sends because of that. */
  checkMembers(): void {
    this.#look();
  }

  /**
   * Ends this rank's part. Without an error it waits for the other ranks. With one it gives them a few seconds to fail in
   * the same way, and if they do not, ends the job; `say` is called before. Resolves to whether all ranks came to an end.
   */
  async leave(error?: unknown, say: () => void = () => {}): Promise<boolean> {
    if (this.#left) return true;
    const request = this.#library.barrier(this.#end);
    const deadline = error === undefined ? Number.POSITIVE_INFINITY : performance.now() + FAILURE_GRACE;
    this.#leaving = true;
    for (let waited = 0; !this.#library.test(request); waited += PAUSE) {
      if (performance.now() > deadline) {
        say();
        this.#library.abort(1);
        return false;
      }
      // A rank that has passed the barrier may have ended: one more look at the barrier tells.
      const [lost] = waited % WATCH_INTERVAL === WATCH_INTERVAL - 1 ? this.ended() : [];
      if (lost !== undefined) {
        await pause(WATCH_INTERVAL);
        if (!this.#library.test(request)) this.#failJob(`${this.describe(lost)} has ended unexpectedly`);
        break;
      }
      await pause(PAUSE);
    }
    this.#left = true;
    clearInterval(this.#watch);
    this.#library.finalize();
    return true;
  }
}

/** Processes with the same value see each other's ids: one boot of one machine, one PID namespace. */
function processSpace(): string {
  try {
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
