/** Runs the compiled `masa` command, or a module, in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `node <args>` in the folder `cwd`; `meanwhile` gets the running process. */
export function node(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  meanwhile: (child: ChildProcess) => void = () => {},
  cwd = process.cwd(),
): Promise<Ended> {
  const environment = { ...process.env, ...env };
  const child = spawn(process.execPath, args, { cwd, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  meanwhile(child);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

export function masa(
  args: readonly string[],
  ...rest: [NodeJS.ProcessEnv?, ((child: ChildProcess) => void)?, string?]
) {
  return node([MAIN, ...args], ...rest);
}
