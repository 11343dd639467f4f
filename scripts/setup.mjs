/**
 * Makes this checkout ready to run: packages, build, GPU driver. Does only what is missing; `--dry-run` only tells,
 * `--no-adapter` is for what needs no GPU in Node, `--browser` for tests of the page, `--mpi` for tests of MPI jobs.
 * Runs before node_modules exists, so it uses Node alone.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { browserSteps, driverSteps, mpiSteps, parseOsRelease, parseSources, shellText } from "./apt.mjs";
import { findBrowser } from "./browser.mjs";
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

// A step that Ctrl-C reaches cleans up first: npm takes its half-made folders away, apt its locks.
let interrupted = false;
process.on("SIGINT", () => {
  if (!interrupted) say("stopping as soon as the running step has cleaned up");
  interrupted = true;
});

/** Ends here after a Ctrl-C. */
async function stopIfInterrupted() {
  await setImmediate(); // a blocking call holds the signal back
  if (interrupted) process.exit(130);
}

/** Runs a command quietly; what it printed is shown only when it fails. */
async function run([program, ...args], { input = "", mayFail = false, ...options } = {}) {
  const child = spawn(program, args, options);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  child.stdin.on("error", () => {}); // the command ended early; its exit code tells
  child.stdin.end(input);
  const [status] = await once(child, "close").catch((error) => [error.message]);
  await stopIfInterrupted();
  if (status === 0) return;
  console.error(output);
  if (!mayFail) fail(`'${[program, ...args].join(" ")}' failed (${status}), see above`);
}

async function installPackages() {
  const missing = packagesMissing(ROOT);
  if (!missing) return;
  say(`npm ci, since ${missing}`);
  if (dryRun) return;
  // None of our packages needs its install script: their binaries are packages themselves.
  const args = ["ci", "--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath;
  if (npm) await run([process.execPath, npm, ...args], { cwd: ROOT });
  else await run(["npm", ...args], { cwd: ROOT, shell: process.platform === "win32" });
}

async function compile() {
  if (!packagesMissing(ROOT) && isBuilt(ROOT)) return;
  say("tsc, since the sources are newer than dist/");
  if (dryRun) return;
  const status = build(ROOT);
  await stopIfInterrupted();
  if (status !== 0) fail("the build failed, see above");
}

/** `{ name }` of the adapter Dawn gives, or `{ error }` with Dawn's words. */
async function probeAdapter() {
  const probe = fileURLToPath(new URL("probe-adapter.mjs", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [probe], { encoding: "utf8" });
  await stopIfInterrupted();
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

/** Runs the steps that `stepsFor` gives for this system; `lack` says what is missing, `what` what is installed. */
async function installByApt(lack, what, stepsFor) {
  const osRelease = existsSync("/etc/os-release") ? parseOsRelease(readFileSync("/etc/os-release", "utf8")) : {};
  let steps;
  try {
    steps = stepsFor(osRelease);
  } catch (error) {
    fail(`${lack}: ${error.message}`);
  }
  const prefix = rootPrefix();
  if (!prefix && !dryRun) {
    const commands = steps.map((step) => shellText(step, "sudo ")).join("\n");
    fail(`${lack}, and installing one needs root. Run this, then setup again:\n\n${commands}\n`);
  }
  say(`${lack}: installing ${what}`);
  for (const step of steps) {
    say(dryRun ? shellText(step) : step.command.join(" "));
    if (!dryRun) await run([...prefix, ...step.command], step);
  }
}

async function findAdapter() {
  if (dryRun && packagesMissing(ROOT)) return say("then look for a GPU adapter");
  let found = await probeAdapter();
  if (found.error !== undefined) {
    if (process.platform === "darwin")
      fail("there is no GPU adapter: WebGPU needs macOS with a GPU that Metal supports");
    if (process.platform === "win32")
      fail("there is no GPU adapter: install your GPU maker's newest driver (Direct3D 12)");
    const what = "Mesa's lavapipe, which computes on the CPU";
    await installByApt("there is no GPU adapter", what, (osRelease) => driverSteps(osRelease, readSources()));
    if (dryRun) return;
    found = await probeAdapter();
    if (found.error !== undefined) fail(`there is still no GPU adapter; Dawn says:\n${found.error}`);
  }
  say(`ready, GPU adapter: ${found.name}`);
}

async function findTestBrowser() {
  if (findBrowser()) return;
  await installByApt("there is no browser to test the page in", "Chromium", browserSteps);
  if (!dryRun && !findBrowser()) fail("there is still no browser: name one in the variable CHROME");
}

async function findMpi() {
  const found = () => spawnSync("mpirun", ["--version"], { stdio: "ignore" }).status === 0;
  if (found()) return;
  await installByApt("there is no mpirun", "Open MPI", mpiSteps);
  if (!dryRun && !found()) fail("there is still no mpirun: install Open MPI or MPICH");
}

const reason = unsupported(process);
if (reason) fail(reason);
await installPackages();
await compile();
if (!process.argv.includes("--no-adapter")) await findAdapter();
if (process.argv.includes("--browser")) await findTestBrowser();
if (process.argv.includes("--mpi")) await findMpi();
