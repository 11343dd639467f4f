/**
 * Kills a rank of a training job at random moments and checks what is left: the others end within ten seconds and name the
 * rank, the newest checkpoint is whole, and the run goes on from it with the bits of one that was never killed.
 *
 *   node dist/test/mpi/kills.js [--count 20] [--seed 1]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Random } from "../../src/data/random.js";
import { Checkpoints } from "../../src/models/checkpoint.js";
import { digestOf } from "../train/runs.js";
import { alone, MAIN, mpirun, rankProcesses, writePairs } from "./launch.js";

const { values } = parseArgs({
  options: { count: { type: "string", default: "20" }, seed: { type: "string", default: "1" } },
});
const RANKS = 2;
const random = new Random({ seed: Number(values.seed), epoch: 0 });
const folder = mkdtempSync(join(tmpdir(), "masa-kills-"));
const out = join(folder, "run");
const fixed = ["--data", join(folder, "pairs"), "--preset", "tiny", "--channels", "4", "--size", "32", "--batch", "4"];
const rest = ["--validate-cases", "0", "--workers", "1", "--checkpoint-every", "5", "--micro-batch", "2"];
const endless = ["--resume", "--steps", "1000000"];
const newestStep = async () =>
  Number((await new Checkpoints(join(out, "checkpoints"), 1).newest())?.checkpoint.state.step ?? -1);
let worst = 0;
const steps: number[] = [];
try {
  await writePairs(join(folder, "pairs"), 6, 40);
  for (let i = 0; i < Number(values.count); i++) {
    const victim = Math.floor(random.uniform() * RANKS);
    let killed = 0;
    const { code, stderr } = await mpirun(RANKS, [MAIN, "train", "--out", out, ...fixed, ...rest, ...endless], {
      meanwhile: (child) =>
        void (async () => {
          while (rankProcesses(child).length < RANKS) await pause(100);
          // One in four before the first step, the others after a new checkpoint.
          const before = await newestStep();
          while (i % 4 !== 0 && (await newestStep()) === before && child.exitCode === null) await pause(100);
          await pause(3000 * random.uniform());
          killed = performance.now();
          process.kill(rankProcesses(child)[victim] as number, "SIGKILL");
        })(),
    });
    const seconds = (performance.now() - killed) / 1000;
    worst = Math.max(worst, seconds);
    if (code === 0) throw new Error("the job ended as if nothing had happened");
    if (seconds > 10) throw new Error(`the job took ${seconds.toFixed(1)} s to end:\n${stderr}`);
    if (!new RegExp(`rank ${victim}\\b`).test(stderr)) throw new Error(`no message names rank ${victim}:\n${stderr}`);
    const found = await new Checkpoints(join(out, "checkpoints"), 1).newest();
    if (found && found.skipped.length > 0) throw new Error(`a checkpoint is damaged: ${found.skipped[0]?.reason}`);
    const step = Number(found?.checkpoint.state.step ?? -1);
    steps.push(step);
    process.stdout.write(
      `kill ${i + 1}: rank ${victim}, ended after ${seconds.toFixed(1)} s, goes on from step ${step}\n`,
    );
  }
  const last = Math.max(...steps) + 5;
  const goal = ["--steps", String(last)];
  const resumed = await mpirun(RANKS, [MAIN, "train", "--out", out, "--resume", ...goal]);
  const whole = await alone([MAIN, "train", "--out", join(folder, "whole"), ...fixed, ...rest, ...goal]);
  if (resumed.code !== 0 || whole.code !== 0) throw new Error(`${resumed.stderr}\n${whole.stderr}`);
  const name = `checkpoints/step-${String(last).padStart(8, "0")}.safetensors`;
  const [a, b] = await Promise.all([out, join(folder, "whole")].map((run) => digestOf(join(run, name))));
  if (a !== b) throw new Error(`after ${last} steps the killed run has other bits than one process`);
  process.stdout.write(
    `${values.count} kills, the slowest end ${worst.toFixed(1)} s; step ${last} has the bits of one process: ${a}\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
