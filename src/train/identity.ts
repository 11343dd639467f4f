/** What the processes of a data-parallel run must have in common, checked before the first step and now and then. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { FileTensor } from "../formats/tensor.js";
import { FileTensor as Tensor } from "../formats/tensor.js";
import type { FoundCheckpoint } from "../models/checkpoint.js";
import { codeHash } from "../platform/tuning.js";
import type { Identity, Team } from "./team.js";
import type { Trainer } from "./trainer.js";

/** The package's version, and a hash of its kernels. */
export function codeIdentity(): Promise<Identity> {
  const manifest = new URL("../../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  return Promise.resolve({ "version of masa-webgpu": version, "kernel code": codeHash() });
}

/** What a run needs of the checkpoint that it goes on from. */
export type SharedCheckpoint = FoundCheckpoint;

/** A tensor as it is sent. */
type Sent = readonly [name: string, shape: readonly number[], values: Float32Array];

/** Process 0's checkpoint in all processes, so that only that one needs the folder of the run. */
export async function shareCheckpoint(
  team: Team,
  found: FoundCheckpoint | undefined,
): Promise<FoundCheckpoint | undefined> {
  if (team.size === 1) return found;
  const own = found && {
    ...{ path: found.path, skipped: found.skipped, state: found.checkpoint.state },
    tensors: [...found.checkpoint.tensors].map(([name, tensor]): Sent => [name, tensor.shape, tensor.toFloat32()]),
  };
  const shared = await team.share(own);
  if (!shared || team.rank === 0) return found;
  const { path, skipped, state } = shared;
  const tensors = new Map<string, FileTensor>(
    shared.tensors.map(([name, shape, values]) => [name, Tensor.of("F32", shape, values)]),
  );
  return { path, skipped, checkpoint: { tensors, state } };
}

/** Statistics that no step reads, and that each process has of its own micro-batches. */
const OWN = /\.running_(mean|var)$/;

/** Compares a hash of every tensor of the training state; throws in all processes where they differ, naming one. */
export async function compareParameters(team: Team, trainer: Trainer, step: number): Promise<void> {
  if (team.size === 1) return;
  await team.compare(async () => {
    const hashes = [...(await trainer.tensors())].flatMap(([name, { data }]) => {
      if (OWN.test(name)) return [];
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      return [[`tensor ${name} after step ${step}`, createHash("sha256").update(bytes).digest("hex").slice(0, 16)]];
    });
    return Object.fromEntries(hashes) as Identity;
  });
}
