/** What setup asks of the machine and of node_modules. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const NODE = [20, 19];
// The prebuilt binaries of the webgpu package.
const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64", "win32-arm64"];

/** Why this Node or platform cannot run the project, or undefined. */
export function unsupported({ versions, platform, arch }) {
  const [major, minor] = versions.node.split(".").map(Number);
  if (major < NODE[0] || (major === NODE[0] && minor < NODE[1]))
    return `Node ${NODE.join(".")} or newer is needed, this is ${versions.node}`;
  if (!PLATFORMS.includes(`${platform}-${arch}`))
    return `WebGPU is not available for ${platform}-${arch}, only for ${PLATFORMS.join(", ")}`;
  return undefined;
}

/** Why node_modules is not what package-lock.json says, or undefined. npm keeps a lock file of what it installed. */
export function packagesMissing(root) {
  const read = (file) => JSON.parse(readFileSync(join(root, file), "utf8")).packages;
  if (!existsSync(join(root, "node_modules/.package-lock.json"))) return "node_modules is missing";
  const installed = read("node_modules/.package-lock.json");
  for (const [path, { version, optional }] of Object.entries(read("package-lock.json"))) {
    if (path === "" || installed[path]?.version === version) continue;
    if (optional && !installed[path]) continue; // a binary for another platform
    return `${path} is not the ${version} of package-lock.json`;
  }
  return undefined;
}
