/** A runner that does what its argument says, for the tests of its parent: `{ "row": { … } }` by rows. */
import { createInterface } from "node:readline";
import type { Reply, Request } from "../../../bench/peers/serve.js";

/** What it does in a row; without it a right result in `wall` milliseconds. */
export interface Behaviour {
  readonly adapter?: string;
  readonly wall?: readonly number[];
  readonly loss?: readonly number[];
  readonly error?: number;
  readonly failure?: string;
  /** Where it ends, with this on stderr. */
  readonly dies?: "prepare" | "run";
  readonly hangs?: true;
}

export type Script = Readonly<Record<string, Behaviour>>;

const script = JSON.parse(process.argv[2] ?? "{}") as Script;
let behaviour: Behaviour = {};
let runs = 0;

function reply(message: Reply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Of a list, the value of this run; the last one from then on. */
function at(values: readonly number[]): number {
  return values[Math.min(runs, values.length - 1)] as number;
}

function die(): never {
  process.stderr.write("loading…\nError: the driver is gone\n    at somewhere\n");
  process.exit(3);
}

function answer(request: Request): void {
  if ("prepare" in request) {
    behaviour = script[request.prepare] ?? {};
    runs = 0;
    if (behaviour.dies === "prepare") die();
    if (behaviour.failure) reply({ failure: behaviour.failure });
    else reply({ adapter: { name: behaviour.adapter ?? "adapter", software: true }, flops: 2e9 });
    return;
  }
  if (behaviour.dies === "run") die();
  if (behaviour.hangs) return;
  const { wall = [10], loss, error = 0.5 } = behaviour;
  reply({ wall: at(wall), cpu: 2 * at(wall), error, ...(loss && { loss: at(loss) }) });
  runs++;
}

process.stdout.write("a library greets the world\n");
for await (const line of createInterface({ input: process.stdin })) answer(JSON.parse(line) as Request);
