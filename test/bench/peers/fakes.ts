/** Runners that need neither a GPU nor the packages of the peers, and what comes of them. */
import { fileURLToPath } from "node:url";
import { type CompareOptions, Comparison, type Contestant, type RowResult } from "../../../bench/peers/compare.js";
import { FORMAT, type PeersReport } from "../../../bench/peers/report.js";
import type { Row } from "../../../bench/peers/workloads.js";
import type { Script } from "./fake_peer.js";

const FAKE = fileURLToPath(new URL("fake_peer.js", import.meta.url));
export const ROW: Row = { name: "row", operation: "conv2d", target: "2 ×" };
export const OPTIONS: CompareOptions = { rounds: 3, budget: 1000, limit: 60_000 };

export function fake(name: string, script: Script = {}, more: Partial<Contestant> = {}): Contestant {
  const role = name === "ours" ? "ours" : "peer";
  return { name, role, webgpu: true, program: { args: [FAKE, JSON.stringify(script)] }, ...more };
}

/** Runs rows of fakes and ends their processes. */
export async function compare(contestants: readonly Contestant[], options: Partial<CompareOptions> = {}, rows = [ROW]) {
  const comparison = new Comparison(contestants, { ...OPTIONS, ...options });
  try {
    const results: RowResult[] = [];
    for (const row of rows) results.push(await comparison.row(row));
    return results as [RowResult, ...RowResult[]];
  } finally {
    comparison.close();
  }
}

export function reportOf(
  rows: readonly RowResult[],
  contestants: readonly Contestant[],
  more: Partial<PeersReport> = {},
): PeersReport {
  return {
    ...{ format: FORMAT, date: "2026-11-23T00:00:00.000Z", command: "npm run bench:peers", node: "v20.0.0", rounds: 3 },
    machine: { name: "adapter", software: true },
    contestants: contestants.map(({ name, role }) => ({ name, role, version: name === "ours" ? undefined : "1.2.3" })),
    ceiling: 1e12,
    rows,
    ...more,
  };
}
