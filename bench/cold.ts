/**
 * The cold start: what every pipeline of the official training step costs where nothing was ever compiled. WebGPU creates
 * pipelines, but some drivers (lavapipe) put the compilation off to the first dispatch; so each gets one, of a single
 * workgroup whose parameters are 0, which leaves it nothing to do. Caches are per user and on disk: the measurement runs in
 * a process of its own, without Mesa's.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { print } from "../src/cli/command.js";
import { number, table } from "../src/cli/table.js";
import { type Buffer, BufferUsage, type Device } from "../src/gpu/device.js";
import { type Pipeline, type PipelineSpec, pipelineKey } from "../src/gpu/pipeline.js";
import { pipelineOf } from "../src/graph/plan/dispatches.js";
import type { Plan } from "../src/graph/plan/plan.js";
import { officialTraining } from "./memory.js";

/** Set in the process that measures. */
export const UNCACHED = { MESA_SHADER_CACHE_DISABLE: "true", __GL_SHADER_DISK_CACHE: "0" };
/** Pipelines that the table shows. */
const SHOWN = 20;
/** Bytes behind each binding; no limit of any adapter is below it. */
const BYTES = 1 << 14;

/** Runs `npm run bench -- --cold` again without caches; its exit code. */
export async function runUncached(): Promise<number> {
  const args = [fileURLToPath(new URL("main.js", import.meta.url)), "--cold"];
  const child = spawn(process.execPath, args, { env: { ...process.env, ...UNCACHED }, stdio: "inherit" });
  const [code] = (await once(child, "close")) as [number | null];
  return code ?? 1;
}

export function isUncached(): boolean {
  return Object.entries(UNCACHED).every(([name, value]) => process.env[name] === value);
}

export interface Part {
  readonly spec: PipelineSpec;
  /** Dispatches of a step. */
  readonly count: number;
}

/** Seconds on the clock and of this process's CPU time. */
export interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

export interface ColdStart {
  /** Of all pipelines, at once. */
  readonly created: Cost;
  /** Of each pipeline's first dispatch. */
  readonly first: readonly (Part & Cost)[];
}

/** The pipelines of `plans`, each once. */
export function pipelinesOf(plans: readonly Plan[]): Part[] {
  const parts = new Map<string, Part>();
  for (const spec of plans.flatMap(({ dispatches }) => dispatches.map(pipelineOf))) {
    const key = pipelineKey(spec);
    parts.set(key, { spec, count: 1 + (parts.get(key)?.count ?? 0) });
  }
  return [...parts.values()];
}

/** Creates pipelines that the device does not have yet, and dispatches each once. */
export async function startCold(device: Device, parts: readonly Part[], signal?: AbortSignal): Promise<ColdStart> {
  const [created, pipelines] = await timed(() => Promise.all(parts.map(({ spec }) => device.pipeline(spec))));
  const first: (Part & Cost)[] = [];
  for (const [i, part] of parts.entries()) {
    signal?.throwIfAborted();
    const [cost] = await timed(await firstDispatch(device, pipelines[i] as Pipeline));
    first.push({ ...part, ...cost });
  }
  return { created, first };
}

/** Measures and prints. The pipelines of the full objective are those that the L1 loss does not need. */
export async function printCold(device: Device, signal: AbortSignal): Promise<void> {
  print(`${device.info.name} · the official training step, nothing compiled before`);
  const done = new Set<string>();
  const all: (Part & Cost)[] = [];
  for (const [what, preset] of [
    ["L1", "masa-rec"],
    ["perceptual and adversarial, besides", "masa"],
  ] as const) {
    const { plans } = officialTraining(device, { preset });
    const parts = pipelinesOf(plans).filter(({ spec }) => !done.has(pipelineKey(spec)));
    for (const { spec } of parts) done.add(pipelineKey(spec));
    const { created, first } = await startCold(device, parts, signal);
    all.push(...first);
    print(`${what}: ${parts.length} pipelines, created in ${text(created)}, first dispatches ${text(sum(first))}`);
  }
  all.sort((a, b) => b.cpu - a.cpu);
  const rows = all.slice(0, SHOWN).map(({ spec, count, wall, cpu }) => {
    const name = spec.entry === "main" ? spec.shader : `${spec.shader}:${spec.entry}`;
    const constants = Object.entries(spec.constants).map((constant) => constant.join(" = "));
    return [name, number(1e3 * cpu), number(1e3 * wall), String(count), constants.join(", ")];
  });
  print("");
  for (const line of table(["first dispatch of", "CPU ms", "clock ms", "dispatches", "constants"], rows)) print(line);
  const rest = all.slice(SHOWN);
  if (rest.length > 0) print(`${rest.length} others: ${text(sum(rest))}`);
}

/** What dispatches a pipeline once, on buffers of zeros. */
async function firstDispatch(device: Device, pipeline: Pipeline): Promise<() => Promise<void>> {
  const { bindings, paramsIndex } = pipeline.interface;
  const usage = { read: BufferUsage.STORAGE, write: BufferUsage.STORAGE, uniform: BufferUsage.UNIFORM } as const;
  const indices = [
    ...bindings.map(({ index, access }) => ({ index, usage: usage[access] })),
    ...(paramsIndex === undefined ? [] : [{ index: paramsIndex, usage: BufferUsage.UNIFORM }]),
  ];
  const buffers = await device.allocate(indices.map(({ usage }) => ({ label: "zeros", bytes: BYTES, usage })));
  const entries = indices.map(({ index }, i) => ({ binding: index, resource: { buffer: (buffers[i] as Buffer).gpu } }));
  const bindGroup = device.gpu.createBindGroup({ layout: pipeline.layout, entries });
  const command = { label: "first", pipeline: pipeline.gpu, bindGroup, workgroups: [1, 1, 1] } as const;
  return async () => {
    await device.submit([{ commands: [command] }]);
    await device.finish();
    for (const buffer of buffers) buffer.dispose();
  };
}

async function timed<T>(work: () => Promise<T>): Promise<[Cost, T]> {
  const before = process.cpuUsage();
  const begun = performance.now();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return [{ wall: (performance.now() - begun) / 1e3, cpu: (user + system) / 1e6 }, result];
}

function sum(costs: readonly Cost[]): Cost {
  return costs.reduce((all, { wall, cpu }) => ({ wall: all.wall + wall, cpu: all.cpu + cpu }), { wall: 0, cpu: 0 });
}

function text({ wall, cpu }: Cost): string {
  return `${number(wall)} s (${number(cpu)} s of CPU time)`;
}
