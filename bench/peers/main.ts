#!/usr/bin/env node
/** `npm run bench:peers`: the same work on masa-webgpu and on what else a user could take, side by side. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { pathArgument, print, showStatus, UsageError, wholeNumber } from "../../src/cli/command.js";
import { checkTarget, writeFileAtomic } from "../../src/files/atomic.js";
import { commandLine, described, runProgram, say } from "../program.js";
import { coldStart } from "./cold.js";
import { Comparison, type Contestant, type RowResult } from "./compare.js";
import { FOLDER, installedVersion, installPeers } from "./install.js";
import type { Program } from "./process.js";
import { ceilingOf, FORMAT, markdown, NAIVE, type PeersReport, textLines } from "./report.js";
import { CEILINGS, COLD_START, ROWS, type Row } from "./workloads.js";

interface Peer extends Contestant {
  readonly package: string;
}

const peer = (name: string, library: string, file: string): Peer => ({
  ...{ name, package: library, role: "peer", webgpu: true },
  program: { args: [join(FOLDER, file)] },
  takes: ({ operation }) => operation !== "ceiling",
});
const PEERS: readonly Peer[] = [
  peer("jax-js", "@jax-js/jax", "jax.mjs"),
  peer("tfjs", "@tensorflow/tfjs", "tfjs.mjs"),
  peer("ort-web", "onnxruntime-web", "ort_web.mjs"),
  { ...peer("ort-node", "onnxruntime-node", "ort_node.mjs"), role: "shown", webgpu: false },
];

const OURS: Program = { args: [fileURLToPath(new URL("ours.js", import.meta.url))] };
const ours: Contestant = { name: "ours", role: "ours", webgpu: true, program: OURS };
const naive: Contestant = {
  ...{ name: NAIVE, role: "shown", webgpu: true },
  program: { args: [...OURS.args, "naive"] },
  takes: ({ naive }) => naive === true,
};

/** Milliseconds; a training step in the slowest peer takes half a minute. */
const BUDGET = 60_000;
const LIMIT = 900_000;
const COLD_STARTS = 2;

const HELP = `
Peers:
  jax-js, tfjs, ort-web   on the same WebGPU adapter as ours
  ort-node                ONNX Runtime on the CPU, what a user could take instead
Their packages are dependencies of bench/peers/package.json, installed there when first wanted.

Every contestant is a process of its own and gets the same numbers. Every run's result is compared with float64 at random
places, a training step by the losses that follow; a wrong one has no time. Rounds alternate between all. Patches that are
to be matched are given to peers already unfolded; weights are part of the models that ONNX Runtime gets.
'naive' is our convolution as a porter reads it. The ceiling is what our multiply-add loop reaches in the same run.
`;

interface Options {
  readonly filter: string;
  readonly rounds: number;
  readonly peers: readonly Peer[];
  readonly json?: string;
  readonly markdown?: string;
}

const SCRIPT = "bench:peers";
const program = described(new Command(`npm run ${SCRIPT} --`), SCRIPT)
  .description("Times the same work on masa-webgpu and on other libraries, in alternating rounds.")
  .option("--filter <text>", "only rows whose name contains the text", "")
  .option("--rounds <count>", "rounds of each row", wholeNumber(1), 5)
  .option("--peers <names>", "only these, separated by commas; 'none' for ours alone", readPeers, PEERS)
  .option("--json <file>", "also write the times to a file", pathArgument)
  .option("--markdown <file>", "also write the table for a document", pathArgument)
  .addHelpText("after", HELP);

function readPeers(text: string): readonly Peer[] {
  if (text === "none") return [];
  return text.split(",").map((name) => {
    const peer = PEERS.find((peer) => peer.name === name);
    if (!peer) throw new InvalidArgumentError(`There are ${PEERS.map(({ name }) => name).join(", ")}.`);
    return peer;
  });
}

async function bench({ filter, rounds, peers, ...files }: Options, signal: AbortSignal): Promise<void> {
  const rows = ROWS.filter(({ name }) => name.includes(filter));
  const isCold = COLD_START.name.includes(filter);
  if (rows.length === 0 && !isCold)
    throw new UsageError(`no row's name contains '${filter}'; there are:\n${ROWS.map(({ name }) => name).join("\n")}`);
  for (const path of [files.json, files.markdown]) if (path !== undefined) await checkTarget(path);
  const missing = peers.length === 0 ? undefined : await installPeers((text) => say(SCRIPT, text));
  const contestants = [
    ours,
    ...peers.map((peer) => ({ ...peer, missing })),
    ...(rows.some(naive.takes!) ? [naive] : []),
  ];

  const options = { rounds, budget: BUDGET, limit: LIMIT, signal, onStep: showStatus };
  const measured = await measure(new Comparison(contestants, options), rows, signal);
  showStatus(`cold start: ${COLD_START.name}`);
  const cold =
    isCold && !signal.aborted
      ? await coldStart(OURS, COLD_START, Math.min(rounds, COLD_STARTS), { ...options })
      : undefined;
  const report: PeersReport = {
    ...{ format: FORMAT, date: new Date().toISOString(), command: commandLine(SCRIPT), node: process.version, rounds },
    contestants: contestants.map(({ name, role }) => ({ name, role, version: versionOf(name) })),
    ...measured,
    cold,
  };
  for (const line of textLines(report)) print(line);
  signal.throwIfAborted();
  if (files.json !== undefined)
    await writeFileAtomic(files.json, Buffer.from(`${JSON.stringify(report, undefined, 1)}\n`));
  if (files.markdown !== undefined) await writeFileAtomic(files.markdown, Buffer.from(markdown(report)));
  const failed = [...report.rows.map(({ outcomes }) => outcomes.ours), cold].some((one) => one?.failure !== undefined);
  if (failed) process.exitCode = 1;
}

/** The ceilings, then the rows; those that are done when somebody interrupts. Throws where we cannot run at all. */
async function measure(comparison: Comparison, rows: readonly Row[], signal: AbortSignal) {
  const close = () => comparison.close();
  signal.addEventListener("abort", close);
  try {
    const ceilings: RowResult[] = [];
    for (const row of CEILINGS) ceilings.push(await comparison.row(row));
    const { machine } = comparison;
    if (!machine) throw new Error(ceilings[0]?.outcomes.ours?.failure);
    const results: RowResult[] = [];
    try {
      for (const row of rows) results.push(await comparison.row(row));
    } catch (error) {
      if (!signal.aborted || results.length === 0) throw error;
    }
    return { machine, ceiling: ceilingOf(ceilings), rows: results };
  } finally {
    close();
  }
}

function versionOf(name: string): string | undefined {
  const found = PEERS.find((peer) => peer.name === name);
  return found && installedVersion(found.package);
}

await runProgram(SCRIPT, program, bench);
