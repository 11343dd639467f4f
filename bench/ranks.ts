/**
 * How long the ranks of an MPI job take to add up the gradients of the official network: read, exchange, sum, collect and
 * write, without a network that computes them. The formula of docs/scaling.md takes these figures.
 *
 *   mpirun -n 4 node dist/bench/ranks.js [--rounds 5]
 */
import { parseArgs } from "node:util";
import { formatDuration } from "../src/cli/command.js";
import { RankGradients } from "../src/distributed/gradients.js";
import { launchOf } from "../src/distributed/launcher.js";
import { Ranks } from "../src/distributed/ranks.js";
import { Profiler } from "../src/gpu/profiler.js";
import { Masa } from "../src/masa/masa.js";
import { openDevice } from "../src/platform/node.js";
import { median } from "./statistics.js";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const rounds = Number(values.rounds);
const launch = launchOf(process.env);
if (!launch) throw new Error("run this under mpirun: mpirun -n 4 node dist/bench/ranks.js");
const ranks = await Ranks.join(launch);
const device = await openDevice();
const parameters = new Masa({}).parameters.trainable;
const options = { microBatches: ranks.size, losses: ["rec", "total"], name: "generator" };
const gradients = new RankGradients(ranks, parameters, options);
await gradients.allocate(device);
const profiler = await Profiler.create(device);
const times = new Map<string, number[]>();
const cpu: number[] = [];
// The first round compiles what the driver has put off.
for (let round = 0; round <= rounds; round++) {
  await device.finish();
  await ranks.barrier();
  profiler.clear();
  const began = performance.now();
  const used = process.cpuUsage();
  gradients.begin();
  await gradients.added({ profiler });
  await gradients.finish({ profiler });
  await device.finish();
  if (round === 0) continue;
  const { user, system } = process.cpuUsage(used);
  cpu.push((user + system) / 1000);
  times.set("whole", [...(times.get("whole") ?? []), performance.now() - began]);
  for (const { name, begin, end } of profiler.phases)
    if (name.endsWith("gradients")) times.set(name, [...(times.get(name) ?? []), end - begin]);
}
const bytes = 4 * parameters.reduce((sum, { size }) => sum + size, 0);
if (ranks.rank === 0) {
  process.stdout.write(`${ranks.size} ranks, ${ranks.version}, ${device.info.name}, ${(bytes / 1e6).toFixed(1)} MB\n`);
  for (const [name, all] of times) process.stdout.write(`${name.padEnd(20)} ${formatDuration(median(all))}\n`);
  process.stdout.write(`${"CPU time of a rank".padEnd(20)} ${formatDuration(median(cpu))}\n`);
}
gradients.dispose();
device.dispose();
await ranks.leave();
