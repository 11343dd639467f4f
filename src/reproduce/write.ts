/**
 * How results are written: NAME.json with every number, NAME.md with the tables for people, charts and pictures, and an
 * index.html that gathers what the folder holds, of this call and of earlier ones.
 */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, writeFileAtomic } from "../files/atomic.js";
import { writeImage } from "../files/images.js";
import { renderIndex, renderMarkdown } from "./render.js";
import type { Conditions, Figure, Result, Written } from "./result.js";

const FORMAT = "masa-webgpu reproduction";
const INDEX = "index.html";

/** Writes a result's files and the index anew. Each file is there whole or not at all. Throws `OutputError`. */
export async function writeResult(folder: string, result: Result, conditions: Conditions): Promise<string[]> {
  await makeFolder(folder);
  const write = (name: string, text: string) => writeFileAtomic(join(folder, name), new TextEncoder().encode(text));
  const { name, figures, ...rest } = result;
  const fileOf = (figure: Figure) => `${figure.name}.${"svg" in figure ? "svg" : "png"}`;
  const files = figures.map((figure) => ({ file: fileOf(figure), caption: figure.caption }));
  const written: Written = { format: FORMAT, name, conditions, ...rest, figures: files };
  for (const figure of figures) {
    if ("svg" in figure) await write(fileOf(figure), figure.svg);
    else await writeImage(join(folder, fileOf(figure)), figure.image);
  }
  await write(`${name}.md`, renderMarkdown(written));
  // The JSON comes last: what the index lists has its files.
  await write(`${name}.json`, `${JSON.stringify(written, undefined, 2)}\n`);
  await write(INDEX, renderIndex(await readResults(folder)));
  return [...files.map(({ file }) => file), `${name}.md`, `${name}.json`, INDEX];
}

/** The results in a folder, by name; other files are left alone. */
async function readResults(folder: string): Promise<Written[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".json")).sort();
  const results: Written[] = [];
  for (const name of names) {
    const result = await readFile(join(folder, name), "utf8")
      .then(JSON.parse)
      .catch(() => undefined);
    if (result?.format === FORMAT && existsSync(join(folder, `${result.name}.md`))) results.push(result as Written);
  }
  return results;
}
