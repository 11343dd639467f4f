/** `masa doctor`: what this machine can run, and what to do where it cannot. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir, release } from "node:os";
import { delimiter, join } from "node:path";
import type { Command } from "commander";
import type { LimitName } from "../gpu/adapter.js";
import type { Device } from "../gpu/device.js";
import { formatBytes, GpuError, NoAdapterError } from "../gpu/errors.js";
import { conv2d } from "../graph/ops/conv2d.js";
import { compile } from "../graph/plan/plan.js";
import { addCommand, runCommand } from "./command.js";

const EXAMPLES = `
Examples:
  masa doctor                     examines the adapter that every command would use
  masa doctor --adapter nvidia    examines another one, by a part of its name
  MASA_ADAPTER=llvmpipe masa doctor

Ends with 1 where this machine cannot run masa.
`;

export function addDoctor(program: Command): void {
  addCommand(program, "doctor", "tell what this machine can run, and what to do where it cannot")
    .option("--adapter <name>", "the adapter to examine, by a part of its name", process.env.MASA_ADAPTER)
    .addHelpText("after", EXAMPLES)
    .action(runCommand("doctor", (_signal, options: { adapter?: string }) => examine(options.adapter)));
}

async function examine(wanted: string | undefined): Promise<void> {
  line("Node", `${process.versions.node}, ${process.platform} ${process.arch}`);
  line("System", systemName());
  line("webgpu", webgpuVersion());
  if (process.platform === "linux") line("Vulkan", driverFiles().join("\n") || "no driver files");
  let adapters: string[] = [];
  try {
    const { adapterNames, nodePlatform, openDevice } = await import("../platform/node.js");
    adapters = await adapterNames();
    line("Adapters", adapters.join("\n") || "none");
    using device = await openDevice({ adapter: wanted }, { ...nodePlatform, warn: () => {} });
    describe(device);
    const wrong = await miscomputed(device);
    line("Check", wrong === 0 ? "conv2d gives the known numbers" : `conv2d: ${wrong} of ${CHECK.y.length} are wrong`);
    if (wrong > 0)
      throw new GpuError("this adapter computes wrong numbers", "Update its driver or use another adapter");
    const slow = ", but in software: slow. A GPU with its maker's driver is used as soon as there is one";
    line("Verdict", `masa runs here${device.info.software ? slow : ""}.`);
  } catch (error) {
    line("Verdict", `masa cannot run here: ${explain(error as Error, adapters)}`);
    process.exitCode = 1;
  }
}

/** What is wrong and its remedy. */
function explain(error: Error, adapters: readonly string[]): string {
  if (error instanceof NoAdapterError) {
    const what = error.message.replace(error.advice, "");
    return `${what}\n${adapters.length > 0 ? "Choose one of the adapters above by a part of its name." : driverAdvice()}`;
  }
  return error instanceof GpuError ? error.message : `${error.message}\n${driverAdvice()}`;
}

/** One row of the report; further lines of the text are indented. */
function line(name: string, text: string): void {
  console.log(`${name.padEnd(10)}${text.replaceAll("\n", `\n${" ".repeat(10)}`)}`);
}

function describe({ info, limits, features }: Device): void {
  line("Chosen", [info.name, info.description, info.software ? "software" : "hardware"].filter(Boolean).join(", "));
  const bytes = (name: LimitName) => formatBytes(limits[name]);
  line(
    "Limits",
    `largest buffer ${bytes("maxBufferSize")}, storage binding ${bytes("maxStorageBufferBindingSize")}\n` +
      `${limits.maxStorageBuffersPerShaderStage} storage buffers, ` +
      `${limits.maxComputeWorkgroupsPerDimension} workgroups a side\n` +
      `${limits.maxComputeInvocationsPerWorkgroup} invocations and ` +
      `${bytes("maxComputeWorkgroupStorageSize")} of memory in a workgroup`,
  );
  line("Features", [...features].join(", ") || "none of those that masa can use");
}

function systemName(): string {
  const file = "/etc/os-release";
  const name = existsSync(file) && /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync(file, "utf8"))?.[1];
  return name ? `${name}, kernel ${release()}` : release();
}

function webgpuVersion(): string {
  try {
    const manifest = new URL("package.json", import.meta.resolve("webgpu"));
    return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
  } catch {
    return "is not installed";
  }
}

/** Where the Vulkan loader looks for drivers (its LoaderDriverInterface document). */
function driverFiles(): string[] {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES, XDG_DATA_HOME } = process.env;
  const instead = VK_DRIVER_FILES ?? VK_ICD_FILENAMES;
  if (instead !== undefined)
    return instead.split(delimiter).map((file) => (existsSync(file) ? file : `${file} (does not exist)`));
  const home = XDG_DATA_HOME ?? join(homedir(), ".local/share");
  return ["/etc", "/usr/local/etc", "/usr/local/share", "/usr/share", home]
    .map((folder) => join(folder, "vulkan/icd.d"))
    .filter((folder) => existsSync(folder) && readdirSync(folder).length > 0)
    .map((folder) => `${folder}: ${readdirSync(folder).join(", ")}`);
}

/** A convolution of small integers, so that every adapter's result is exact. A test holds y against the reference. */
export const CHECK = {
  x: { shape: [1, 2, 4, 4], data: Float32Array.from({ length: 32 }, (_, i) => ((7 * i) % 11) - 5) },
  weight: { shape: [2, 2, 3, 3], data: Float32Array.from({ length: 36 }, (_, i) => ((5 * i) % 7) - 3) },
  bias: { shape: [2], data: Float32Array.of(1, -2) },
  options: { stride: 2, padding: 1, dilation: 1 },
  y: [-28, -3, -38, 16, 6, -8, 2, 6],
} as const;

/** How many numbers of the check come out wrong. */
async function miscomputed(device: Device): Promise<number> {
  const { x, weight, bias, options } = CHECK;
  const plan = await compile(device, { x: x.shape, weight: weight.shape, bias: bias.shape }, (inputs) => ({
    y: conv2d(inputs.x, inputs.weight, inputs.bias, options),
  }));
  const { y } = await plan.run({ x: x.data, weight: weight.data, bias: bias.data });
  return CHECK.y.filter((value, i) => value !== y.data[i]).length;
}

function driverAdvice(): string {
  if (process.platform === "darwin") return "WebGPU needs a Mac whose GPU Metal supports.";
  if (process.platform === "win32") return "Install your GPU maker's newest driver; it needs Direct3D 12 or Vulkan.";
  return (
    "Install your GPU maker's Vulkan driver, or Mesa's lavapipe 23 or newer, which computes on the CPU.\n" +
    "On Debian and Ubuntu 'npm run setup' in a checkout of masa-webgpu installs it; glibc 2.34 is needed."
  );
}
