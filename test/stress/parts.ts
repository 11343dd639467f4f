/** The parts of the stress test. Each gives a line of figures, or throws. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeImage } from "../../src/files/images.js";
import { createImage } from "../../src/image/image.js";
import type { MasaConfig } from "../../src/masa/config.js";
import { readCheckpoint } from "../../src/models/checkpoint.js";
import { untrainedMasa } from "../../src/models/load.js";
import { openDevice } from "../../src/platform/node.js";
import { type StepEvent, train } from "../../src/train/run.js";
import { upscaleBatch } from "../../src/upscale/batch/run.js";
import { Upscaler } from "../../src/upscale/run.js";
import { fillNoise } from "../files/golden.js";
import { temporaryFiles } from "../train/runs.js";
import { expectSame, Failure, FULL, finished, NotRun, type Setup, whenAtStep } from "./setup.js";

export interface Part {
  readonly help: string;
  /** How often, unless the user says so. */
  readonly count: number;
  readonly run: (setup: Setup, count: number) => Promise<string>;
}

const MiB = 2 ** 20;

export const PARTS: Readonly<Record<string, Part>> = {
  repeat: { help: "runs of 50 steps have the same bits", count: 3, run: repeat },
  stop: { help: "stops at random steps change no bit", count: 10, run: stop },
  kill: { help: "kills at random moments leave a run that goes on", count: 50, run: kill },
  memory: { help: "steps after which no more memory is taken", count: 1000, run: memory },
  batch: { help: "images of one batch take no more memory the longer it lasts", count: 1000, run: batch },
  disk: { help: "full disks end a run that goes on later", count: 4, run: disk },
};

async function repeat(setup: Setup, count: number): Promise<string> {
  const changes = { ...FULL, steps: 50 };
  const first = await setup.undisturbed("repeat-1", changes);
  for (let i = 2; i <= count; i++) {
    setup.progress(`repeat: run ${i} of ${count}`);
    expectSame(await setup.undisturbed(`repeat-${i}`, changes), first, `run ${i}`);
  }
  return `${count} runs of 50 steps, SHA-256 of all tensors ${first.digest.slice(0, 16)}…`;
}

/** One run that is interrupted again and again, each time by Ctrl-C in a new process. */
async function stop(setup: Setup, count: number): Promise<string> {
  const steps = 10 * count;
  const changes = { ...FULL, steps };
  const whole = await setup.undisturbed("stop-whole", changes);
  const out = setup.path("stop");
  const stops: number[] = [];
  for (let i = 0; i < count; i++) {
    setup.progress(`stop: ${i + 1} of ${count}`);
    // One in every ten steps; the process may make a step or two more until it hears of it.
    const target = 10 * i + 1 + Math.floor(8 * setup.random());
    const interrupt = (child: Parameters<typeof whenAtStep>[2]) =>
      whenAtStep(out, target, child, () => child.kill("SIGINT"));
    const ended = i === 0 ? await setup.train(out, changes, interrupt) : await setup.resume(out, {}, interrupt);
    const stopped = /^stopped at step (\d+), /m.exec(ended.stdout)?.[1];
    if (ended.code !== 130 || stopped === undefined)
      throw new Failure(`Ctrl-C after step ${target}: code ${ended.code}, ${ended.stdout}${ended.stderr}`);
    stops.push(Number(stopped));
  }
  expectSame(await finished(out, await setup.resume(out)), whole, `stopped after ${stops}`);
  return `stopped after steps ${stops.join(", ")} of ${steps}, each resumed in a new process`;
}

async function kill(setup: Setup, count: number): Promise<string> {
  // Without discriminator, to be where files are written more of the time.
  const changes = { ...FULL, adv: 0, steps: 40, checkpointEvery: 1, keep: 2 };
  const began = performance.now();
  const whole = await setup.undisturbed("kill-whole", changes);
  const duration = performance.now() - began;
  let [kills, runs, writing] = [0, 0, 0];
  const steps: number[] = [];
  while (kills < count) {
    const out = setup.path(`kill-${++runs}`);
    for (;;) {
      setup.progress(`kill: ${kills} of ${count}, run ${runs}`);
      let pid = 0;
      // After the last kill it may end. `--resume` begins the run, too.
      const ended = await setup.resume(out, { ...changes, data: setup.data }, (child) => {
        pid = child.pid as number;
        if (kills === count) return;
        const timer = setTimeout(() => child.kill("SIGKILL"), duration * setup.random());
        child.once("exit", () => clearTimeout(timer));
      });
      if (ended.code !== null) {
        expectSame(await finished(out, ended), whole, `run ${runs}`);
        break;
      }
      kills++;
      if (!existsSync(out)) continue;
      const left = temporaryFiles(out);
      // When it had begun, it had removed what the killed ones before it left.
      const older = left.filter((name) => !name.includes(`.${pid}-`));
      if (ended.stdout.includes("goes on from") && older.length > 0)
        throw new Failure(`${older.join(", ")} outlasted the next start`);
      writing += Number(left.length > older.length);
      steps.push(await newestStep(join(out, "checkpoints")));
    }
  }
  const spread = `the newest checkpoint then of steps ${Math.min(...steps)} to ${Math.max(...steps)}`;
  return `${kills} kills in ${runs} runs, ${writing} of them while a file was written, ${spread}`;
}

/** Reads every checkpoint. */
async function newestStep(folder: string): Promise<number> {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".safetensors")) : [];
  const steps = [-1];
  for (const name of names) steps.push((await readCheckpoint(join(folder, name))).state.step as number);
  return Math.max(...steps);
}

/** Steps until the memory of the process must have levelled off, and what it may grow by afterwards. */
const WARM = 200;
const GROWTH = 24 * MiB;

async function memory(setup: Setup, steps: number): Promise<string> {
  if (steps <= WARM) throw new NotRun(`more than ${WARM} steps are needed`);
  const device = await openDevice();
  const gpu = new Map<number, number>();
  const rss: number[] = [];
  const onStep = ({ step, gpuBytes }: StepEvent) => {
    setup.progress(`memory: step ${step} of ${steps}`);
    gpu.set(step, gpuBytes);
    rss.push(process.memoryUsage.rss());
  };
  const config = { ...FULL, data: setup.data, steps, checkpointEvery: 50, validateEvery: 50 };
  await train(device, { out: setup.path("memory"), config, onStep });
  const after = device.memory().bytes;
  device.dispose();
  const [early, late] = [gpu.get(10), gpu.get(steps)];
  const figures = `GPU ${early} B at step 10, ${late} B at step ${steps}; ${levelled(rss)}`;
  if (early !== late || after !== 0) throw new Failure(`${figures}; ${after} B of the GPU left at the end`);
  return figures;
}

/** Images of ever other sizes, in one process. */
async function batch(setup: Setup, count: number): Promise<string> {
  if (count <= WARM) throw new NotRun(`more than ${WARM} images are needed`);
  const SIZES = 12;
  const put = async (name: string, width: number, height: number) => {
    const path = setup.path(name);
    await writeImage(path, fillNoise(createImage(width, height, 3, 8), setup.seed));
    return path;
  };
  const refs = [await put("ref.png", 64, 48)];
  const side = () => 8 + Math.floor(33 * setup.random());
  const lrs = await Promise.all(Array.from({ length: SIZES }, (_, i) => put(`lr-${i}.png`, side(), side())));
  const pairs = Array.from({ length: count }, (_, i) => ({ lr: lrs[i % SIZES]!, refs, out: `${i}.png` }));
  const { channels, encoderBlocks, decoderBlocks } = FULL;
  const device = await openDevice();
  const masa = await untrainedMasa(device, { channels, encoderBlocks, decoderBlocks } as Partial<MasaConfig>);
  const rss: number[] = [];
  const gpu: number[] = [];
  const onPair = (done: number) => {
    setup.progress(`batch: image ${done} of ${count}`);
    gpu.push(device.memory().peakBytes);
    rss.push(process.memoryUsage.rss());
  };
  const open = () => Promise.resolve(new Upscaler(device, masa, { keptBytes: 0 }));
  const { done } = await upscaleBatch(setup.path("batch"), pairs, { open, onPair });
  const [early, late, left] = [gpu[SIZES], gpu[count], device.memory().bytes];
  const figures = `${done} images of ${SIZES} sizes; GPU at most ${early} B in the first ${SIZES}, ${late} B in all; ${levelled(rss)}`;
  if (done !== count || early !== late || left !== 0) throw new Failure(`${figures}; ${left} B of the GPU left`);
  return figures;
}

/** What the process held as it went on, in MiB. Throws `Failure` where it has grown beyond `GROWTH` since it was warm. */
function levelled(rss: readonly number[]): string {
  /** The median of 50, for single ones show the garbage collector. */
  const level = (end: number) => [...rss.slice(end - 50, end)].sort((a, b) => a - b)[25]! / MiB;
  const series = Array.from({ length: Math.floor(rss.length / 100) }, (_, i) => level(100 * (i + 1)).toFixed(0));
  const growth = level(rss.length) - level(WARM);
  const figures = `RSS in MiB every 100: ${series.join(" ")}; ${growth.toFixed(1)} MiB more than at ${WARM}, at most ${GROWTH / MiB} allowed`;
  if (growth * MiB > GROWTH) throw new Failure(figures);
  return figures;
}

async function disk(setup: Setup, count: number): Promise<string> {
  const whole = await setup.undisturbed("disk-whole", { ...FULL, steps: 30, checkpointEvery: 1, keep: 30 });
  const bytes = statSync(join(whole.out, "checkpoints/step-00000030.safetensors")).size;
  const mounted = setup.path("disk");
  mountMemory(mounted, 12 * bytes + MiB);
  const full: string[] = [];
  for (let i = 1; i <= count; i++) {
    setup.progress(`disk: ${i} of ${count}`);
    const out = join(mounted, `run-${i}`);
    const [filler, room] = [join(mounted, "filler"), Math.round(bytes * (2 + 5 * setup.random()))];
    const { bavail, bsize } = statfsSync(mounted);
    writeFileSync(filler, new Uint8Array(bavail * bsize - room));
    // Begun, and begun again: where nothing has got free it must end the same way, whatever it could still write.
    const changes = { ...FULL, steps: 30, checkpointEvery: 1, keep: 30 };
    for (const ended of [await setup.train(out, changes), await setup.resume(out)]) {
      const messages = ended.stderr.match(/^masa train: .*/gm) ?? [];
      if (ended.code !== 1 || messages.length !== 1 || !messages[0]?.includes("the disk is full"))
        throw new Failure(`with ${room} B left: code ${ended.code}, ${ended.stdout}${ended.stderr}`);
      const left = temporaryFiles(out);
      if (left.length > 0) throw new Failure(`${left.join(", ")} stayed on the full disk`);
    }
    const step = await newestStep(join(out, "checkpoints"));
    rmSync(filler);
    const ended = await setup.resume(out, { keep: 2 });
    expectSame(await finished(out, ended), whole, `full at step ${step}`);
    full.push(`${step} (${room} B)`);
    rmSync(out, { recursive: true });
  }
  return `${count} full disks, the last checkpoint of steps ${full.join(", ")}, each resumed when there was room`;
}

function mountMemory(folder: string, bytes: number): void {
  mkdirSync(folder);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "masa-stress", folder], { stdio: "pipe" });
  } catch {
    throw new NotRun("cannot mount a tmpfs");
  }
  process.prependOnceListener("exit", () => execFileSync("umount", ["-l", folder]));
}
