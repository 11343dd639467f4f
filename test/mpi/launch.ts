/** Runs compiled programs under mpirun: Debian's Open MPI, or what `MASA_TEST_MPIRUN` names (`mpirun.mpich`). */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeImage } from "../../src/files/images.js";
import { createImage } from "../../src/image/image.js";
import type { Ended } from "../cli/masa.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
export const MAIN = join(ROOT, "dist/src/cli/main.js");
const MPIRUN = process.env.MASA_TEST_MPIRUN ?? "mpirun";
export const OPEN_MPI = spawnSync(MPIRUN, ["--version"], { encoding: "utf8" }).stdout.includes("Open MPI");

/** Several ranks share two cores and one adapter here. MPICH's launcher otherwise kills before a rank can speak. */
const FLAGS = OPEN_MPI ? ["--oversubscribe", "--bind-to", "none"] : ["-disable-auto-cleanup"];

const ENVIRONMENT: NodeJS.ProcessEnv = {
  ...process.env,
  OMPI_ALLOW_RUN_AS_ROOT: "1",
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
  NODE_PATH: join(ROOT, "test/mpi/runtime/node_modules"),
  MASA_TUNING: "off",
};

export interface LaunchOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string | undefined;
  readonly meanwhile?: (child: ChildProcess) => void;
}

/** `node <args>` in `ranks` processes. An array of several: one process of each, from its folder. */
export async function mpirun(
  ranks: number | readonly { readonly cwd: string; readonly args: readonly string[] }[],
  args: readonly string[],
  { env = {}, cwd = process.cwd(), meanwhile }: LaunchOptions = {},
): Promise<Ended> {
  const parts =
    typeof ranks === "number"
      ? ["-n", String(ranks), process.execPath, ...args]
      : ranks.flatMap((part, i) => [
          ...(i > 0 ? [":"] : []),
          ...["-n", "1", OPEN_MPI ? "--wdir" : "-wdir", part.cwd, process.execPath, ...part.args],
        ]);
  return await ended(spawn(MPIRUN, [...FLAGS, ...parts], { cwd, env: { ...ENVIRONMENT, ...env } }), meanwhile);
}

/** `node <args>` in one process, in the same environment. */
export function alone(args: readonly string[], { env = {}, cwd = process.cwd() }: LaunchOptions = {}): Promise<Ended> {
  return ended(spawn(process.execPath, args, { cwd, env: { ...ENVIRONMENT, ...env } }));
}

function ended(child: ChildProcess, meanwhile?: (child: ChildProcess) => void): Promise<Ended> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  meanwhile?.(child);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** The process of each rank below `mpirun`, in the order of their start, once all run the command. */
export function rankProcesses(mpirun: ChildProcess): number[] {
  const { stdout } = spawnSync("ps", ["-eo", "pid,ppid,args"], { encoding: "utf8" });
  const rows = stdout.split("\n").flatMap((line) => {
    const [, pid, parent, args = ""] = /^ *(\d+) +(\d+) +(.*)$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), args }];
  });
  const below = (parent: number): typeof rows =>
    rows.filter((row) => row.parent === parent).flatMap((row) => [row, ...below(row.pid)]);
  return below(mpirun.pid as number)
    .filter(({ args, pid }) => args.includes(".js") && args.startsWith(process.execPath) && rankOf(pid) !== undefined)
    .map(({ pid }) => pid)
    .sort((a, b) => (rankOf(a) as number) - (rankOf(b) as number));
}

function rankOf(pid: number): number | undefined {
  try {
    const text = /(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)/.exec(readFileSync(`/proc/${pid}/environ`, "utf8"))?.[1];
    return text === undefined ? undefined : Number(text);
  } catch {
    return undefined;
  }
}

/** Writes `count` pairs of patterned images of `side` pixels to `folder`/input and `folder`/ref. */
export async function writePairs(folder: string, count: number, side: number, phase = 0): Promise<void> {
  for (const part of ["input", "ref"]) mkdirSync(join(folder, part), { recursive: true });
  for (let i = 0; i < count; i++) {
    for (const [part, shift] of [
      ["input", 0],
      ["ref", 3],
    ] as const) {
      const data = Uint8Array.from({ length: 3 * side ** 2 }, (_, j) => {
        const [x, y, c] = [(Math.floor(j / 3) % side) + shift, Math.floor(j / 3 / side), j % 3];
        const wave = Math.sin((0.05 + 0.02 * i) * x + c + i + phase) * Math.cos((0.3 - 0.02 * i) * y);
        return 127 + 100 * wave + ((x * 7 + y * 13 + i) % 17);
      });
      await writeImage(join(folder, part, `p${i}.png`), createImage(side, side, 3, 8, data));
    }
  }
}
