/** node pairs.mjs: pairs.csv, the cut pairs in the order of their names, then four times each of the prepared ones. */
import { readdirSync, writeFileSync } from "node:fs";

const list = (folder) =>
  readdirSync(`${folder}/input`)
    .filter((name) => /^\d{6}\.png$/.test(name))
    .sort()
    .map((name) => `${folder}/input/${name},${folder}/ref/${name}`);
const [cut, real] = [list("pairs/train"), list("real")];
writeFileSync("pairs.csv", `${["hr,ref", ...cut, ...real, ...real, ...real, ...real].join("\n")}\n`);
console.log(`pairs.csv: ${cut.length} cut pairs, 4 × ${real.length} prepared pairs`);
