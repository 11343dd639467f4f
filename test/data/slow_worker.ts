/** The loader's worker with random delays, that notes the tasks it was given in the file named by MASA_TEST_LOG. */
import { appendFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { serve } from "../../src/data/pool.js";
import { handle, type Task } from "../../src/data/tasks.js";

const LONGEST_MS = 4;
const log = process.env.MASA_TEST_LOG;

serve(async (task: Task) => {
  if (log && task.kind === "batch") appendFileSync(log, `${task.epoch} ${task.samples[0]?.pair.name}\n`);
  const result = await handle(task);
  await setTimeout(LONGEST_MS * Math.random());
  return result;
});
