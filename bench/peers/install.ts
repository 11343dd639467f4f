/** The peers' packages: dependencies of bench/peers/package.json alone, installed when they are first wanted. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = new URL("../../../bench/peers/", import.meta.url);

function json(path: string): { version?: string; dependencies?: Record<string, string> } {
  return JSON.parse(readFileSync(new URL(path, FOLDER), "utf8"));
}

/** The version of an installed package, or undefined. */
export function installedVersion(name: string): string | undefined {
  const path = `node_modules/${name}/package.json`;
  return existsSync(new URL(path, FOLDER)) ? json(path).version : undefined;
}

/** Installs what is missing. Why that failed, or undefined. */
export async function installPeers(say: (text: string) => void): Promise<string | undefined> {
  const wanted = Object.entries(json("package.json").dependencies ?? {});
  if (wanted.every(([name, version]) => installedVersion(name) === version)) return undefined;
  say("installing the peers' packages into bench/peers/node_modules (npm ci, about 600 MB)");
  // Their install scripts fetch what these runners do not use.
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath;
  const [program, ...first] = npm ? [process.execPath, npm] : ["npm"];
  const options = { cwd: fileURLToPath(FOLDER), shell: !npm && process.platform === "win32" };
  const child = spawn(program as string, [...first, ...args], { ...options, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [status] = (await once(child, "close").catch((error: Error) => [error.message])) as [number | string];
  if (status === 0) return undefined;
  const [why = status] = stderr.split("\n").flatMap((line) => /^npm error (?!code)(.+)/.exec(line)?.[1] ?? []);
  return `not installed, npm ci failed: ${why}`;
}
