/**
 * Makes this checkout ready to run: packages, build, GPU driver. Does only what is missing; `--dry-run` only tells.
 * Runs before node_modules exists, so it uses Node alone.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { driverSteps, parseOsRelease, parseSources, shellText } from "./apt.mjs";
import { build, isBuilt } from "./build.mjs";
import { packagesMissing, unsupported } from "./requirements.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const dryRun = process.argv.includes("--dry-run");

function say(text) {
  console.log(`setup: ${text}`);
}

function fail(text) {
  console.error(`setup: ${text}`);
  process.exit(1);
}

/** Runs a command quietly; what it printed is shown only when it fails. */
function run([program, ...args], { input, mayFail = false, ...options } = {}) {
  const result = spawnSync(program, args, { input: input ?? "", encoding: "utf8", maxBuffer: 1 << 28, ...options });
  if (result.signal) process.exit(130);
  if (result.status === 0) return;
  console.error(`${result.stdout ?? ""}${result.stderr ?? ""}${result.error ? result.error.message : ""}`);
  if (!mayFail) fail(`'${[program, ...args].join(" ")}' failed, see above`);
}

function installPackages() {
  const missing = packagesMissing(ROOT);
  if (!missing) return;
  say(`npm ci, since ${missing}`);
  if (dryRun) return;
  // None of our packages needs its install script: their binaries are packages themselves.
  const args = ["ci", "--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath;
  if (npm) run([process.execPath, npm, ...args], { cwd: ROOT });
  else run(["npm", ...args], { cwd: ROOT, shell: process.platform === "win32" });
}

function compile() {
  if (!packagesMissing(ROOT) && isBuilt(ROOT)) return;
  say("tsc, since the sources are newer than dist/");
  if (!dryRun && build(ROOT) !== 0) fail("the build failed, see above");
}

/** `{ name }` of the adapter Dawn gives, or `{ error }` with Dawn's words. */
function probeAdapter() {
  const probe = fileURLToPath(new URL("probe-adapter.mjs", import.meta.url));
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [probe], { encoding: "utf8" });
  if (signal === "SIGINT") process.exit(130);
  if (status === 0) return { name: stdout.trim() };
  if (status === 3)
    fail(`the webgpu package does not load: ${stderr.trim()}\nOn Linux it needs glibc 2.34 (Debian 12, Ubuntu 22.04)`);
  return { error: stderr.trim() };
}

function readSources() {
  const folder = "/etc/apt/sources.list.d";
  const parts = existsSync(folder) ? readdirSync(folder).filter((name) => /\.(list|sources)$/.test(name)) : [];
  return ["/etc/apt/sources.list", ...parts.map((name) => join(folder, name))]
    .filter((file) => existsSync(file))
    .flatMap((file) => parseSources(file, readFileSync(file, "utf8")));
}

/** The prefix that makes a command run as root, or undefined where that needs a person. */
function rootPrefix() {
  if (process.getuid() === 0) return [];
  const sudo = spawnSync("sudo", ["-n", "true"], { stdio: "ignore" });
  return sudo.status === 0 ? ["sudo", "-n"] : undefined;
}

function installDriver() {
  const osRelease = existsSync("/etc/os-release") ? parseOsRelease(readFileSync("/etc/os-release", "utf8")) : {};
  let steps;
  try {
    steps = driverSteps(osRelease, readSources());
  } catch (error) {
    fail(`there is no GPU adapter: ${error.message}`);
  }
  const prefix = rootPrefix();
  if (!prefix && !dryRun) {
    const commands = steps.map((step) => shellText(step, "sudo ")).join("\n");
    fail(`there is no GPU adapter, and installing a driver needs root. Run this, then setup again:\n\n${commands}\n`);
  }
  say("there is no GPU adapter: installing Mesa's lavapipe, which computes on the CPU");
  for (const step of steps) {
    say(dryRun ? shellText(step) : step.command.join(" "));
    if (!dryRun) run([...prefix, ...step.command], step);
  }
}

function findAdapter() {
  if (dryRun && packagesMissing(ROOT)) return say("then look for a GPU adapter");
  let found = probeAdapter();
  if (found.error !== undefined) {
    if (process.platform === "darwin")
      fail("there is no GPU adapter: WebGPU needs macOS with a GPU that Metal supports");
    if (process.platform === "win32")
      fail("there is no GPU adapter: install your GPU maker's newest driver (Direct3D 12)");
    installDriver();
    if (dryRun) return;
    found = probeAdapter();
    if (found.error !== undefined) fail(`there is still no GPU adapter; Dawn says:\n${found.error}`);
  }
  say(`ready, GPU adapter: ${found.name}`);
}

const reason = unsupported(process);
if (reason) fail(reason);
installPackages();
compile();
findAdapter();
