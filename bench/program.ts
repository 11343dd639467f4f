/** What the programs of the bench share: how they start, end and fail. */
import { type Command, CommanderError } from "commander";
import { clearStatus, UsageError } from "../src/cli/command.js";
import { pacePolling } from "../src/platform/polling.js";

/** The command as it was typed: `npm run bench:peers -- --rounds 2`. */
export function commandLine(script: string): string {
  const args = process.argv.slice(2).map((arg) => (/[\s'"[\]]/.test(arg) ? `"${arg}"` : arg));
  return [`npm run ${script}`, ...(args.length > 0 ? ["--", ...args] : [])].join(" ");
}

/** Prints a line about what is being done. */
export function say(script: string, text: string): void {
  clearStatus();
  process.stderr.write(`${script}: ${text}\n`);
}

/** A command whose errors begin with the name of its script. */
export function described(program: Command, script: string): Command {
  return program
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, `${script}: `)) })
    .exitOverride();
}

/** Runs `action` with the options that were typed. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
export async function runProgram<Options extends object>(
  script: string,
  program: Command,
  action: (options: Options, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  // If the reader closes the pipe (`… | head -1`), stop.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  pacePolling();
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => controller.abort(new Error("interrupted")));
  try {
    program.parse();
    await action(program.opts<Options>(), controller.signal);
  } catch (error) {
    clearStatus();
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    const reason: unknown = controller.signal.aborted ? controller.signal.reason : error;
    say(script, reason instanceof Error ? reason.message : String(reason));
    process.exitCode = controller.signal.aborted ? 130 : error instanceof UsageError ? 2 : 1;
  }
}
