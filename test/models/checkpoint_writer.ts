/**
 * A run that does nothing but save: node checkpoint_writer.js FOLDER VALUES STEPS. Goes on from the newest checkpoint and
 * prints each step when it is saved, and what went wrong.
 */
import { Checkpoints } from "../../src/models/checkpoint.js";
import { checkpointOf, expectWhole } from "./checkpoint_sample.js";

const [folder, values, steps] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
try {
  const checkpoints = new Checkpoints(folder, 2);
  await checkpoints.prepare();
  const found = await checkpoints.newest();
  const first = found ? expectWhole(found.checkpoint) : 0;
  process.stdout.write(`${first}\n`);
  for (let step = first + 1; step <= first + steps; step++) {
    await checkpoints.save(step, checkpointOf(step, values), { best: step % 3 === 0 });
    process.stdout.write(`${step}\n`);
  }
} catch (error) {
  process.stdout.write(`${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}\n`);
}
