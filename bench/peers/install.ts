/** The peers' packages: dependencies of bench/peers/package.json alone, installed when they are first wanted. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const FOLDER = fileURLToPath(new URL("../../../bench/peers/", import.meta.url));

interface Package {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function read(...path: readonly string[]): Package {
  return JSON.parse(readFileSync(join(...path, "package.json"), "utf8")) as Package;
}

/** The version of a package that is installed in `folder`, or undefined. */
export function installedVersion(name: string, folder = FOLDER): string | undefined {
  const path = join(folder, "node_modules", name);
  return existsSync(join(path, "package.json")) ? read(path).version : undefined;
}

/** Installs what is missing in `folder`, and says where. Why that failed, or undefined. */
export async function installPeers(
  say: (text: string) => void,
  folder = FOLDER,
  where = "bench/peers, about 750 MB",
): Promise<string | undefined> {
  const wanted = Object.entries(read(folder).dependencies ?? {});
  if (wanted.every(([name, version]) => installedVersion(name, folder) === version)) return undefined;
  say(`installing the peers' packages in ${where} (npm ci)`);
  // Their install scripts fetch what these runners do not use.
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath;
  const [program, ...first] = npm ? [process.execPath, npm] : ["npm"];
  const shell = !npm && process.platform === "win32";
  const child = spawn(program as string, [...first, ...args], {
    cwd: folder,
    shell,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [status] = (await once(child, "close").catch((error: Error) => [error.message])) as [number | string];
  if (status === 0) return undefined;
  const [why = `exit code ${status}`] = stderr
    .split("\n")
    .flatMap((line) => /^npm error (?!code)(.+)/.exec(line)?.[1] ?? []);
  return `not installed, npm ci failed: ${why}`;
}
