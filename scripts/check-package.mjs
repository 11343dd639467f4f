/** Checks what `npm pack` would publish: everything that runs, and nothing else, of the size that README states. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** How far README may be from the size of today. */
const TOLERANCE = 0.15;

const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ["npm"];
const args = [...npm.slice(1), "pack", "--dry-run", "--json", "--ignore-scripts"];
const report = JSON.parse(execFileSync(npm[0], args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
const [{ files, size, unpackedSize }] = Object.values(report);
const packed = files.map(({ path }) => path);

const needed = [
  "LICENSE",
  "README.md",
  "dist/src/index.js",
  "dist/src/index.d.ts",
  "dist/src/browser/index.js",
  "dist/src/browser/shaders.js",
  "dist/src/cli/main.js",
  "weights/README.md",
  "weights/small.safetensors",
  "examples/upscale.ts",
  "examples/browser/main.ts",
  "examples/data/LICENSES.md",
  ...["lr", "ref", "hr"].map((name) => `examples/data/aloe_${name}.png`),
  ...readdirSync("shaders").map((name) => `shaders/${name}`),
];
const missing = needed.filter((path) => !packed.includes(path));
const allowed =
  /^(dist\/src\/.+|shaders\/.+\.wgsl|weights\/[^/]+|examples\/(browser\/|data\/)?[^/]+|docs\/[^/]+\.(md|png)|docs\/results\/.+|package\.json|LICENSE|README\.md|CONTRIBUTING\.md|CHANGELOG\.md)$/;
const stray = packed.filter((path) => !allowed.test(path));

for (const path of missing) console.error(`the package lacks ${path}`);
for (const path of stray) console.error(`the package must not hold ${path}`);
if (missing.length + stray.length > 0) process.exit(1);

// What README shows and links to is in the package, or below the repository's address, where registries look for it.
const links = [...readFileSync("README.md", "utf8").matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link]) => link);
const broken = links.filter(
  (link) => !/^https:/.test(link) && !packed.some((path) => path === link || path.startsWith(`${link}/`)),
);
for (const link of broken) console.error(`README links to ${link}, which is not in the package`);
const { repository, homepage, bugs } = JSON.parse(readFileSync("package.json", "utf8"));
if (!repository || !homepage || !bugs) console.error("package.json names no repository, homepage or bugs");
if (broken.length > 0 || !repository || !homepage || !bugs) process.exit(1);

const [now, then] = [
  [size, unpackedSize].map((bytes) => bytes / 1e6),
  /([\d.]+) MB,\s+unpacked\s+([\d.]+) MB/.exec(readFileSync("README.md", "utf8"))?.slice(1).map(Number),
];
const stated = now.map((megabytes) => megabytes.toFixed(1));
if (!then || now.some((megabytes, i) => Math.abs(megabytes / then[i] - 1) > TOLERANCE)) {
  console.error(`README must say that the package has ${stated[0]} MB, unpacked ${stated[1]} MB`);
  process.exit(1);
}
console.log(`The package holds ${packed.length} files: ${stated[0]} MB, unpacked ${stated[1]} MB.`);
