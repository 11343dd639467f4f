// Draws docs/architecture.svg from the imports under src/: a box a folder, a floor below all that import it, an arrow for
// what imports what, thicker where there are more imports. The picture changes where a folder, an arrow or its class does.
//
//   node scripts/draw-architecture.mjs [file.svg]
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SRC = join(ROOT, "src");

/** Column of each folder, and what it is. */
const FOLDERS = {
  cli: [1.5, "the masa command"],
  "index.ts": [3, "what users import"],
  browser: [3.9, "what pages import"],
  "engine.ts": [3.9, "what both have"],
  conformance: [0.4, "golden cases, on an adapter"],
  distributed: [2.7, "ranks of an MPI job"],
  train: [1.5, "runs, steps, checkpoints"],
  reproduce: [1.4, "the paper's tables, pictures"],
  evaluate: [0.6, "PSNR and SSIM on test sets"],
  upscale: [2.7, "images to an image, batches"],
  data: [3.6, "data sets, pairs, loader"],
  models: [1.9, "networks from and to files"],
  masa: [1.5, "the network"],
  nn: [1.5, "layers"],
  onnx: [0.4, "graphs for ONNX Runtime"],
  graph: [1.5, "tensors, gradients, plans"],
  platform: [3, "Node's WebGPU, shaders"],
  kernels: [1.5, "operations as dispatches"],
  files: [2.6, "images and weights"],
  formats: [3, "weights from and to bytes"],
  gpu: [1.5, "device, buffers, pipelines"],
  image: [2.6, "pixels on the CPU"],
  reference: [0.4, "float64 loops, for tests"],
};

/** Every folder throws what it defines: its arrows would say nothing. */
const EVERYWHERE = "errors.ts";

/** "src/graph/ops/adam.ts" → "graph". */
const folderOf = (path) => relative(SRC, path).split(sep)[0].replace(/\.js$/, ".ts");

/** Folder → folder that it imports from → how many imports. */
function readImports() {
  const imports = new Map(Object.keys(FOLDERS).map((name) => [name, new Map()]));
  for (const name of readdirSync(SRC, { recursive: true }).sort()) {
    if (!name.endsWith(".ts") || name === EVERYWHERE) continue;
    const path = join(SRC, name);
    const targets = imports.get(folderOf(path));
    if (!targets) throw new Error(`src/${folderOf(path)} has no place in the picture. Give it one in FOLDERS`);
    for (const [, specifier] of readFileSync(path, "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
      const target = folderOf(join(dirname(path), specifier));
      if (target !== folderOf(path) && target !== EVERYWHERE) targets.set(target, (targets.get(target) ?? 0) + 1);
    }
  }
  return imports;
}

/** Floor of each folder: one above the highest that it imports from. */
function floorsOf(imports) {
  const floors = new Map();
  const floor = (name) => {
    if (!floors.has(name)) floors.set(name, Math.max(-1, ...[...imports.get(name).keys()].map(floor)) + 1);
    return floors.get(name);
  };
  for (const name of imports.keys()) floor(name);
  return floors;
}

const [WIDTH, HEIGHT, COLUMN, FLOOR, MARGIN] = [184, 48, 284, 104, 28];
/** Width and opacity of arrows for up to 3, up to 15 and more imports. */
const WEIGHTS = [
  [1.2, 0.35],
  [2.2, 0.5],
  [4.2, 0.75],
];
const STYLE = `
    .card { fill: #ffffff } .box { fill: #eef3f8; stroke: #7b93ab } .box.spine { fill: #d8e6f4; stroke: #33658f }
    .name { fill: #12263a; font: 600 15px system-ui, sans-serif } .what { fill: #4a6074; font: 11.5px system-ui, sans-serif }
    .arrow { fill: none; stroke: #33658f } .head { fill: #33658f }
    @media (prefers-color-scheme: dark) {
      .card { fill: #0f1720 } .box { fill: #1a2733; stroke: #54708c } .box.spine { fill: #20405e; stroke: #7fb2e0 }
      .name { fill: #eaf2fa } .what { fill: #a9bccf } .arrow { stroke: #7fb2e0 } .head { fill: #7fb2e0 }
    }`;

function draw() {
  const imports = readImports();
  const floors = floorsOf(imports);
  const top = Math.max(...floors.values());
  const x = (name) => MARGIN + WIDTH / 2 + FOLDERS[name][0] * COLUMN - 0.4 * COLUMN;
  const y = (name) => MARGIN + (top - floors.get(name)) * FLOOR;
  const arrows = [...imports].flatMap(([from, targets]) => [...targets].map(([to, count]) => ({ from, to, count })));
  const passed = ({ from, to }) => floors.get(from) - floors.get(to) - 1;
  // An arrow that would run through boxes of its own column goes around them on the left.
  const bulge = (arrow) => (x(arrow.from) === x(arrow.to) && passed(arrow) > 0 ? 80 + 26 * passed(arrow) : 0);
  // Where arrows meet a box they stand side by side, in the order of the directions in which they go.
  const port = (own, other, arrow) => {
    const direction = (a) => (bulge(a) ? -bulge(a) : (x(a[other]) - x(a[own])) / Math.abs(y(a[other]) - y(a[own])));
    const side = arrows.filter((a) => a[own] === arrow[own]).sort((a, b) => direction(a) - direction(b));
    return x(arrow[own]) + ((side.indexOf(arrow) + 0.5) / side.length - 0.5) * (WIDTH - 16);
  };
  const path = (arrow) => {
    const [x1, y1] = [port("from", "to", arrow), y(arrow.from) + HEIGHT];
    const [x2, y2] = [port("to", "from", arrow), y(arrow.to) - 7];
    const pull = Math.min(0.45 * (y2 - y1), 110);
    const curve = [x1 - bulge(arrow), y1 + pull, x2 - bulge(arrow), y2 - pull, x2, y2].map((v) => v.toFixed(1));
    const [width, opacity] = WEIGHTS[Math.min(2, Math.floor(Math.log2(arrow.count) / 2))];
    return `<path class="arrow" stroke-width="${width}" stroke-opacity="${opacity}" marker-end="url(#head)" d="M${x1.toFixed(1)} ${y1}C${curve.join(" ")}"/>`;
  };
  const box = (name) => {
    const spine = FOLDERS[name][0] === 1.5 ? " spine" : "";
    return `<rect class="box${spine}" x="${(x(name) - WIDTH / 2).toFixed(1)}" y="${y(name)}" width="${WIDTH}" height="${HEIGHT}" rx="8"/>
  <text class="name" text-anchor="middle" x="${x(name).toFixed(1)}" y="${y(name) + 19}">${name}</text>
  <text class="what" text-anchor="middle" x="${x(name).toFixed(1)}" y="${y(name) + 36}">${FOLDERS[name][1]}</text>`;
  };
  const right = Math.max(...[...floors.keys()].map(x)) + WIDTH / 2 + MARGIN;
  const bottom = MARGIN + top * FLOOR + HEIGHT + MARGIN;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${right}" height="${bottom}" viewBox="0 0 ${right} ${bottom}" role="img">
  <title>The folders of src, and which imports which</title>
  <style>${STYLE}
  </style>
  <marker id="head" markerUnits="userSpaceOnUse" markerWidth="8" markerHeight="8" refX="1" refY="4" orient="auto">
    <path class="head" d="M0 0L8 4L0 8z"/>
  </marker>
  <rect class="card" width="100%" height="100%" rx="10"/>
  ${arrows.map(path).join("\n  ")}
  ${[...floors.keys()].map(box).join("\n  ")}
</svg>
`;
}

writeFileSync(process.argv[2] ?? join(ROOT, "docs/architecture.svg"), draw());
