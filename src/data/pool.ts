/** A few worker threads that take tasks in turn. Which worker does a task, and when, has no influence on its result. */
import { availableParallelism } from "node:os";
import { parentPort, type Transferable, Worker } from "node:worker_threads";
import { ImageError } from "../files/errors.js";

interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  readonly problem?: string;
  readonly advice?: string;
}

type Answer<Result> = { readonly result: Result } | { readonly failure: Failure };

interface Job<Task, Result> {
  readonly task: Task;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** As many workers as help: one core is the consumer's. */
export function defaultWorkers(): number {
  return Math.min(4, Math.max(1, availableParallelism() - 1));
}

export class Pool<Task, Result> {
  readonly #workers = new Set<Worker>();
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Job<Task, Result>>();
  #queue: Job<Task, Result>[] = [];
  /** Why no task is taken any more. */
  #closed: { readonly reason: unknown } | undefined;

  /** `script` calls `serve`. The workers start when they are needed. */
  constructor(
    readonly script: URL,
    readonly count: number,
  ) {}

  /** Tasks are begun in the order of the calls. Rejects with the error of the task, or with the reason of `close`. */
  run(task: Task): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed.reason);
      this.#queue.push({ task, resolve, reject });
      this.#next();
    });
  }

  /** Ends the workers at once; unfinished tasks reject with `reason`. Safe to repeat. */
  async close(reason: unknown = new Error("the workers were closed")): Promise<void> {
    if (!this.#closed) {
      this.#closed = { reason };
      for (const job of [...this.#busy.values(), ...this.#queue]) job.reject(reason);
      this.#queue = [];
      this.#busy.clear();
    }
    await Promise.all([...this.#workers].map((worker) => worker.terminate()));
  }

  #next(): void {
    if (this.#queue.length === 0) return;
    const worker = this.#idle.pop() ?? (this.#workers.size < this.count ? this.#start() : undefined);
    if (!worker) return;
    const job = this.#queue.shift()!;
    this.#busy.set(worker, job);
    // Only work that someone waits for keeps the process alive.
    worker.ref();
    worker.postMessage(job.task);
  }

  #start(): Worker {
    // Without the options of the process: Node refuses some of them (--input-type) in workers.
    const worker = new Worker(this.script, { execArgv: [] });
    this.#workers.add(worker);
    worker.on("message", (answer: Answer<Result>) => {
      const job = this.#busy.get(worker);
      this.#busy.delete(worker);
      this.#idle.push(worker);
      worker.unref();
      if ("result" in answer) job?.resolve(answer.result);
      else job?.reject(revive(answer.failure));
      this.#next();
    });
    // The worker died: without its memory, or by an error outside of any task.
    worker.on("error", (error) => void this.close(error));
    worker.on("exit", (code) => void this.close(new Error(`a worker ended unexpectedly with code ${code}`)));
    return worker;
  }
}

/** In a worker: answers every task by `handle`, which names the buffers that are handed over instead of copied. */
export function serve<Task, Result>(
  handle: (task: Task) => Promise<{ result: Result; transfer: readonly Transferable[] }>,
): void {
  const answer = async (task: Task) => {
    try {
      const { result, transfer } = await handle(task);
      parentPort?.postMessage({ result } satisfies Answer<Result>, transfer);
    } catch (error) {
      parentPort?.postMessage({ failure: describe(error) } satisfies Answer<Result>);
    }
  };
  parentPort?.on("message", (task: Task) => void answer(task));
}

/** Errors lose their class and fields on the way between threads. */
function describe(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  return error instanceof ImageError
    ? { name, message, problem: error.problem, advice: error.advice }
    : { name, message, stack };
}

function revive({ message, stack, problem, advice }: Failure): Error {
  if (problem !== undefined && advice !== undefined) return new ImageError(problem, advice);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
