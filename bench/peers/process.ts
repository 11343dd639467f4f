/**
 * A runner as its parent sees it: a process that is told one thing at a time, and stands still in between. Libraries ask
 * Dawn again and again whether it is done, also when nothing is to be done: their waiting would cost the others a core.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { clearTimeout, setTimeout } from "node:timers";
import type { Reply, Request } from "./serve.js";

export interface Program {
  /** What Node runs. */
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** Characters of what a process wrote to stderr that are kept, to tell why it died. */
const KEPT = 2000;

export class RunnerProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #stderr = "";

  constructor({ args, env }: Program) {
    this.#child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: "pipe" });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stdin.on("error", () => {}); // it died, which the end of its stdout tells
    this.#child.on("error", () => {});
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-KEPT);
    });
  }

  /** The answer, within `limit` milliseconds. Throws an Error that says how the process ended, if it does. */
  async ask<Answer extends Reply>(request: Request, limit: number): Promise<Answer> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.close();
    }, limit);
    this.#signal("SIGCONT");
    try {
      this.#child.stdin.write(`${JSON.stringify(request)}\n`);
      for (let line = await this.#lines.next(); !line.done; line = await this.#lines.next()) {
        const reply = parse(line.value);
        if (reply && "failure" in reply) throw new Error(reply.failure);
        if (reply) return reply as Answer;
      }
    } finally {
      clearTimeout(timer);
      this.#signal("SIGSTOP");
    }
    throw new RunnerDied(late ? `no answer within ${limit / 1e3} s` : await this.#end());
  }

  /** Where there are such signals. */
  #signal(name: "SIGCONT" | "SIGSTOP"): void {
    if (process.platform !== "win32") this.#child.kill(name);
  }

  async #end(): Promise<string> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null && this.#child.pid !== undefined) await once(this.#child, "close");
    const how = this.#child.signalCode ?? `exit code ${this.#child.exitCode}`;
    const lines = this.#stderr.split("\n").filter((line) => line.trim() !== "");
    const why = lines.find((line) => /error/i.test(line)) ?? lines.at(-1);
    return `died (${how})${why ? `: ${why.trim()}` : ""}`;
  }

  /** Ends the process. Safe to repeat. */
  close(): void {
    this.#child.kill("SIGKILL");
  }
}

/** There is no process to ask any more. */
export class RunnerDied extends Error {}

/** A library may have found a way to print between the lines. */
function parse(line: string): Reply | undefined {
  try {
    return JSON.parse(line) as Reply;
  } catch {
    return undefined;
  }
}
