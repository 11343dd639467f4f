/**
 * MPI's C functions through koffi, for Open MPI and MPICH. The two have different ABIs: Open MPI's handles are the
 * addresses of symbols such as `ompi_mpi_comm_world`, MPICH's are integers (the values of its mpi.h, which Intel MPI, Cray
 * MPICH and MVAPICH share). All calls are made from one thread, and only calls that do not wait are offered besides
 * `init` and `finalize`: a blocking call would stop Node's event loop, which drives the GPU.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { RankError } from "./errors.js";
import type { Launch } from "./launcher.js";

type Handle = bigint | number;
type CFunction = (...args: unknown[]) => number;

/** The part of koffi that is used. */
interface Koffi {
  load(path: string): { func(name: string, result: string, args: string[]): CFunction; symbol(name: string): unknown };
  address(value: unknown): bigint;
}

/** A memory area that MPI reads or writes. */
export type Memory = Float32Array | Uint8Array;

/** An operation in progress. The memory that it uses must stay alive and untouched until it is done. */
export interface Request {
  readonly handle: Uint8Array;
  readonly memory: readonly Memory[];
}

/** A message that has arrived: its sender and its size. */
export interface Arrival {
  readonly source: number;
  readonly bytes: number;
}

/** Names of the library, in the order in which they are tried. */
const LIBRARIES = {
  "Open MPI": ["libmpi.so.40", "libmpi.so.80", "libmpi.so", "libmpi.dylib"],
  MPICH: ["libmpi.so.12", "libmpich.so.12", "libmpich.so", "libmpi.so", "libmpi.12.dylib", "libmpi.dylib"],
} as const;

const INSTALL = {
  "Open MPI": "On Debian and Ubuntu: apt-get install openmpi-bin libopenmpi-dev",
  MPICH: "On Debian and Ubuntu: apt-get install mpich libmpich-dev",
} as const;

/** MPICH's constants; Open MPI's are found by name. */
const MPICH_HANDLES = { world: 0x44000000, byte: 0x4c00010d } as const;
/** MPI_Status has 24 bytes in both; source, tag and error lie at other places. */
const STATUS_BYTES = 64;
const THREAD_SINGLE = 0;
const VERSION_BYTES = 8192;

function loadKoffi(): Koffi {
  const folders = [import.meta.url, join(process.cwd(), "package.json")];
  let cause: unknown;
  for (const folder of folders) {
    const load = createRequire(folder);
    try {
      return load("koffi") as Koffi;
    } catch (error) {
      cause = error;
    }
  }
  throw new RankError(
    "the npm package koffi, through which MPI is called, cannot be loaded",
    "Install it beside masa-webgpu: npm install koffi",
    { cause },
  );
}

export class Library {
  readonly #koffi: Koffi;
  readonly #library: ReturnType<Koffi["load"]>;
  readonly #pointers: boolean;
  readonly #byte: Handle;
  readonly #functions = new Map<string, CFunction>();
  readonly #flag = new Int32Array(new ArrayBuffer(128));
  readonly #status = new Uint8Array(new ArrayBuffer(STATUS_BYTES));
  readonly world: Handle;
  readonly anySource: number;

  private constructor(
    koffi: Koffi,
    library: ReturnType<Koffi["load"]>,
    /** The name that loaded. */
    readonly path: string,
  ) {
    this.#koffi = koffi;
    this.#library = library;
    const openMpi = this.#address("ompi_mpi_comm_world");
    this.#pointers = openMpi !== undefined;
    this.world = openMpi ?? MPICH_HANDLES.world;
    this.#byte = this.#address("ompi_mpi_byte") ?? MPICH_HANDLES.byte;
    this.anySource = this.#pointers ? -1 : -2;
  }

  /** Loads koffi and the MPI library, `MASA_MPI` or the one that fits the launcher. Throws `RankError`. */
  static load({ implementation }: Pick<Launch, "implementation">, given = process.env.MASA_MPI): Library {
    const koffi = loadKoffi();
    const wanted = implementation === undefined ? (["Open MPI", "MPICH"] as const) : ([implementation] as const);
    const paths = given ? [given] : wanted.flatMap((name) => LIBRARIES[name]);
    let cause: unknown;
    for (const path of new Set(paths)) {
      try {
        const library = new Library(koffi, koffi.load(path), path);
        if (library.#address("MPI_Init_thread") !== undefined) return library;
        throw new Error(`${path} has no MPI_Init_thread`);
      } catch (error) {
        cause = error;
      }
    }
    throw new RankError(
      given
        ? `the MPI library ${given}, which the environment variable MASA_MPI names, cannot be loaded`
        : `no MPI library was found (tried ${paths.join(", ")})`,
      given ? "Name the libmpi.so of your mpirun" : `${INSTALL[wanted[0]]}; elsewhere set MASA_MPI to its libmpi.so`,
      { cause },
    );
  }

  #address(name: string): bigint | undefined {
    try {
      return this.#koffi.address(this.#library.symbol(name));
    } catch {
      return undefined;
    }
  }

  /** Calls an MPI function. In `args` a letter stands for each type: p pointer, i int, h handle. Throws `RankError`. */
  #call(name: string, types: string, ...args: unknown[]): void {
    let call = this.#functions.get(name);
    if (!call) {
      const handle = this.#pointers ? "uintptr_t" : "int";
      const kinds: Readonly<Record<string, string>> = { p: "void *", i: "int", h: handle };
      call = this.#library.func(
        name,
        "int",
        [...types].map((type) => kinds[type] as string),
      );
      this.#functions.set(name, call);
    }
    const code = call(...args);
    if (code !== 0) throw new RankError(`${name} failed with code ${code}`, "See what mpirun reports above");
  }

  #int(name: string, types: string, ...args: unknown[]): number {
    this.#call(name, types, ...args, this.#flag);
    return this.#flag[0] as number;
  }

  init(): void {
    this.#call("MPI_Init_thread", "ppip", null, null, THREAD_SINGLE, this.#flag);
  }

  /** Another communicator of the same ranks, whose messages are apart from all others. */
  duplicate(): Handle {
    const handle = new BigInt64Array(new ArrayBuffer(128), 0, 1);
    this.#call("MPI_Comm_dup", "hp", this.world, handle);
    return this.#pointers ? (handle[0] as bigint) : (new Int32Array(handle.buffer)[0] as number);
  }

  get rank(): number {
    return this.#int("MPI_Comm_rank", "hp", this.world);
  }

  get size(): number {
    return this.#int("MPI_Comm_size", "hp", this.world);
  }

  /** Name and version of the implementation. */
  get version(): string {
    const text = new Uint8Array(VERSION_BYTES);
    const length = this.#int("MPI_Get_library_version", "pp", text);
    return (
      Buffer.from(text.subarray(0, length)).toString("latin1").split(/[\n,]/)[0]?.replace(/\s+/g, " ").trim() ?? ""
    );
  }

  #request(memory: readonly Memory[], start: (handle: Uint8Array) => void): Request {
    const handle = new Uint8Array(new ArrayBuffer(128), 0, 8);
    start(handle);
    return { handle, memory };
  }

  /** Every rank gets the `bytes` of its place from every rank. */
  allToAll(from: Memory, to: Memory, bytes: number, comm: Handle): Request {
    return this.#request([from, to], (handle) =>
      this.#call("MPI_Ialltoall", "pihpihhp", from, bytes, this.#byte, to, bytes, this.#byte, comm, handle),
    );
  }

  /** Every rank gets `from` of all ranks, in their order. */
  allGather(from: Memory, to: Memory, comm: Handle): Request {
    const bytes = from.byteLength;
    return this.#request([from, to], (handle) =>
      this.#call("MPI_Iallgather", "pihpihhp", from, bytes, this.#byte, to, bytes, this.#byte, comm, handle),
    );
  }

  broadcast(memory: Memory, root: number, comm: Handle): Request {
    return this.#request([memory], (handle) =>
      this.#call("MPI_Ibcast", "pihihp", memory, memory.byteLength, this.#byte, root, comm, handle),
    );
  }

  barrier(comm: Handle): Request {
    return this.#request([], (handle) => this.#call("MPI_Ibarrier", "hp", comm, handle));
  }

  send(memory: Memory, to: number, tag: number, comm: Handle): Request {
    return this.#request([memory], (handle) =>
      this.#call("MPI_Isend", "pihiihp", memory, memory.byteLength, this.#byte, to, tag, comm, handle),
    );
  }

  receive(memory: Memory, from: number, tag: number, comm: Handle): Request {
    return this.#request([memory], (handle) =>
      this.#call("MPI_Irecv", "pihiihp", memory, memory.byteLength, this.#byte, from, tag, comm, handle),
    );
  }

  /** A message of this tag that has arrived and can be received, if there is one. */
  probe(from: number, tag: number, comm: Handle): Arrival | undefined {
    this.#call("MPI_Iprobe", "iihpp", from, tag, comm, this.#flag, this.#status);
    if (this.#flag[0] === 0) return undefined;
    const bytes = this.#int("MPI_Get_count", "php", this.#status, this.#byte);
    // Open MPI begins with the source; MPICH with two counts.
    return { source: new Int32Array(this.#status.buffer)[this.#pointers ? 0 : 2] as number, bytes };
  }

  /** Whether an operation is done. Each call moves its data on. */
  test({ handle }: Request): boolean {
    this.#call("MPI_Test", "ppp", handle, this.#flag, this.#status);
    return this.#flag[0] !== 0;
  }

  /** Ends all processes of the job, this one included. */
  abort(code: number): void {
    this.#call("MPI_Abort", "hi", this.world, code);
  }

  finalize(): void {
    this.#call("MPI_Finalize", "");
  }
}
