/**
 * Compiles src, test, bench and examples to dist/, the browser's part of src with a browser's types and the shaders beside it,
 * and removes outputs whose source is gone.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { shadersModule } from "./shaders.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const STAMP = "dist/.built";
const SOURCES = ["src", "test", "bench", "examples"];
/** What tsc compiles: all but the browser's part, then that. */
const PROJECTS = ["tsconfig.json", "src/browser/tsconfig.json"];
const SHADERS = "dist/src/browser/shaders.js";

function files(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath || entry.path, entry.name))
    .filter((file) => !relative(folder, file).split(sep).includes("node_modules")); // of bench/peers
}

function fingerprint(root) {
  const inputs = [...SOURCES, "shaders"]
    .flatMap((folder) => files(join(root, folder)))
    .filter((file) => /\.(ts|wgsl)$/.test(file));
  const hash = createHash("sha256");
  for (const file of [...inputs.sort(), ...[...PROJECTS, "package-lock.json"].map((name) => join(root, name))]) {
    const { mtimeMs, size } = statSync(file);
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest("hex");
}

/** Whether dist/ is what the sources compile to. */
export function isBuilt(root = ROOT) {
  const stamp = join(root, STAMP);
  return existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint(root);
}

/** The compiled files under dist/ that no source explains any more. */
export function staleOutputs(root = ROOT) {
  const dist = join(root, "dist");
  return files(dist).filter((file) => {
    const source = relative(dist, file).replace(/(\.js|\.d\.ts)(\.map)?$/, ".ts");
    const exists = [source, source.replace(/\.ts$/, ".d.ts")].some((path) => existsSync(join(root, path)));
    return SOURCES.includes(source.split(sep)[0]) && !exists;
  });
}

/** Lets `npx masa` find the command of this checkout; without the link npx asks whether it may install the package. */
function linkCommand(root) {
  const main = join(root, "dist/src/cli/main.js");
  const link = join(root, "node_modules/.bin/masa");
  if (process.platform === "win32" || !existsSync(main)) return;
  chmodSync(main, 0o755);
  rmSync(link, { force: true });
  symlinkSync("../../dist/src/cli/main.js", link);
}

/** Returns tsc's exit code; its messages go to stderr. */
export function build(root = ROOT) {
  const before = fingerprint(root); // a file saved during the build is built the next time
  for (const file of staleOutputs(root)) rmSync(file);
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  for (const project of PROJECTS) {
    const { status } = spawnSync(process.execPath, [tsc, "-p", join(root, project)], { stdio: ["ignore", 2, 2] });
    if (status !== 0) return status ?? 1;
  }
  writeFileSync(join(root, SHADERS), shadersModule(root));
  linkCommand(root);
  writeFileSync(join(root, STAMP), before);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = build();
