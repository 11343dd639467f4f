/** A program for mpirun: every collective call of the ranks, each checked by every rank. Prints "ok RANK". */
import { expect } from "chai";
import { launchOf } from "../../src/distributed/launcher.js";
import { workforceOf } from "../../src/distributed/queue.js";
import { Ranks } from "../../src/distributed/ranks.js";
import { teamOf } from "../../src/distributed/team.js";

const launch = launchOf(process.env);
if (!launch) throw new Error("no launcher");
const ranks = await Ranks.join(launch);
const { rank, size } = ranks;
const all = Array.from({ length: size }, (_, i) => i);

const failure = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "",
    (error: Error) => error.message,
  );

expect([rank, size]).to.deep.equal([launch.rank, launch.size]);
expect(ranks.members.map((member) => member.rank)).to.deep.equal(all);
expect(new Set(ranks.members.map(({ pid }) => pid)).size).to.equal(size);
expect(ranks.ended()).to.deep.equal([]);
await ranks.barrier();

// Values of very different sizes, and numbers that JSON lacks.
const texts = await ranks.gather({ text: "x".repeat(1 + 50_000 * rank), number: Number.NaN });
expect(texts.map(({ text }) => text.length)).to.deep.equal(all.map((i) => 1 + 50_000 * i));
expect(texts[0]?.number).to.be.NaN;
const large = await ranks.share(rank === 0 ? new Float32Array(3_000_000).fill(0.1) : undefined);
expect(large?.length).to.equal(3_000_000);
expect(large?.at(-1)).to.equal(Math.fround(0.1));
expect(await ranks.any(rank === size - 1)).to.equal(true);
expect(await ranks.any(false)).to.equal(false);

// Block b of rank r's memory goes to rank b, into block r.
const block = 100_000;
const sent = new Float32Array(size * block).map((_, i) => 10 * rank + Math.floor(i / block));
const received = new Float32Array(size * block);
await ranks.exchange(sent, received);
expect(all.map((r) => received[r * block])).to.deep.equal(all.map((r) => 10 * r + rank));
const collected = new Float32Array(size * block);
await ranks.collect(received.subarray(0, block), collected);
expect(all.map((r) => collected[r * block])).to.deep.equal(all);

// An error in one rank is that rank's; the others name it.
const broken = await failure(
  ranks.together(() => {
    if (rank === 1) throw new Error("no such file");
  }),
);
expect(broken).to.match(rank === 1 ? /^no such file$/ : /^rank 1 \(process \d+ on .+\) failed\. .*no such file/);
expect(await ranks.together(() => rank)).to.equal(rank);

// What differs is named, with the rank.
const team = teamOf(ranks);
await team.compare({ version: "1", data: "a" });
const differing = await failure(team.compare({ version: "1", "tensor conv.weight": rank === size - 1 ? "b" : "a" }));
expect(differing).to.match(
  new RegExp(`^the tensor conv\\.weight of rank ${size - 1} .* is not that of rank 0: b instead of a`),
);

// While rank 0 is busy with the first item, the others do the rest.
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const workers: number[] = [];
await workforceOf(ranks).each(
  30,
  async (index) => {
    await pause(index === 0 ? 1000 : 5);
    return { index, rank };
  },
  (index, result) => {
    expect(result.index).to.equal(index);
    workers[index] = result.rank;
  },
);
if (rank === 0) {
  expect(Object.keys(workers).length).to.equal(30);
  expect(workers.filter((worker) => worker === workers[0]).length).to.be.below(15);
}
const stopped = await failure(
  workforceOf(ranks).each(
    10,
    async (index) => {
      await pause(5);
      if (index === 4) throw new Error("the disk is full");
    },
    () => {},
  ),
);
expect(stopped).to.include("the disk is full");

expect(await ranks.leave()).to.equal(true);
process.stdout.write(`ok ${rank}\n`);
