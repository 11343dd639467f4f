/**
 * Training under stress, for longer than the suite may take:
 *
 *   npm run test:stress                                    every part
 *   node dist/test/stress/training.js kill --count 10      one part, and how often
 *
 * Ends with `N passed, N failed` and exit code 1 where something failed.
 */
import { parseArgs } from "node:util";
import { formatDuration } from "../../src/cli/command.js";
import { PARTS } from "./parts.js";
import { NotRun, Setup } from "./setup.js";

const help = Object.entries(PARTS).map(([name, { count, help }]) => `  ${name.padEnd(8)} ${count} ${help}`);
const USAGE = `node dist/test/stress/training.js [part ...] [--count N] [--seed S]\n${help.join("\n")}\n`;

function options() {
  try {
    const texts = { count: { type: "string" }, seed: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ options: texts, allowPositionals: true });
    const names = positionals.length > 0 ? positionals : Object.keys(PARTS);
    const count = values.count === undefined ? undefined : Number(values.count);
    const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
    if (
      names.every((name) => Object.hasOwn(PARTS, name)) &&
      Number.isInteger(count ?? 1) &&
      (count ?? 1) > 0 &&
      seed >= 0
    )
      return { names, count, seed };
  } catch {
    // The usage says it.
  }
  process.stderr.write(USAGE);
  process.exit(2);
}

const { names, count, seed } = options();
// Without this the folder would stay, and what is mounted in it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const setup = new Setup(seed);
await setup.prepare();
process.stdout.write(`seed ${seed}\n`);
const ends = { passed: 0, failed: 0, "not run": 0 };
for (const name of names) {
  const part = PARTS[name]!;
  const began = performance.now();
  const end = (how: keyof typeof ends, text: string) => {
    ends[how]++;
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    process.stdout.write(`${name.padEnd(8)} ${how}: ${text} (${formatDuration(performance.now() - began)})\n`);
  };
  try {
    end("passed", await part.run(setup, count ?? part.count));
  } catch (error) {
    if (error instanceof NotRun) end("not run", error.message);
    else end("failed", error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}
const notRun = ends["not run"] > 0 ? `, ${ends["not run"]} not run` : "";
process.stdout.write(`${ends.passed} passed, ${ends.failed} failed${notRun}\n`);
process.exitCode = ends.failed > 0 ? 1 : 0;
