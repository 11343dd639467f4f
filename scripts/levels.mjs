/**
 * Tables of what references of each similarity give, in Markdown, from the files that `masa evaluate --level each --json`
 * writes: the means of every level beside bicubic's, then each image with its best reference.
 *
 *   node scripts/levels.mjs "with reference=ref.json" "without=noref.json"
 */
import { readFileSync } from "node:fs";

const networks = process.argv.slice(2).map((argument) => {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(argument) ?? [];
  if (path === undefined) throw new Error(`'${argument}' is not NAME=FILE, FILE being written by masa evaluate --json`);
  return { name, ...JSON.parse(readFileSync(path, "utf8")) };
});
const [first] = networks;
if (first === undefined) throw new Error("Give NAME=FILE for each network");

const quality = (psnr, ssim) => `${psnr.toFixed(2)} / ${ssim.toFixed(4)}`;
const gain = ({ psnr, bicubicPsnr }) => `${psnr < bicubicPsnr ? "−" : "+"}${Math.abs(psnr - bicubicPsnr).toFixed(2)}`;
const table = (head, rows) => [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
const columns = networks.flatMap(({ name }) => [name, "gain"]);
const row = (title, scores) => [
  title,
  quality(scores[0].bicubicPsnr, scores[0].bicubicSsim),
  ...scores.flatMap((score) => [quality(score.psnr, score.ssim), gain(score)]),
];

const levels = first.results.map(({ level }, i) => {
  const means = networks.map(({ results }) => results[i].mean);
  return [...row(level, means), means[0].similarity.toFixed(3)];
});
const cases = first.results[0].cases.map(({ name }, i) =>
  row(
    name,
    networks.map(({ results }) => results[0].cases[i]),
  ),
);
console.log(`PSNR-Y in dB / SSIM-Y, means over ${cases.length} images; adapter: ${first.adapter}\n`);
console.log(table(["level", "bicubic", ...columns, "similarity of matches"], levels));
console.log(`\nLevel ${first.results[0].level}, image by image:\n`);
console.log(table(["image", "bicubic", ...columns], cases));
