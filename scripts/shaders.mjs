/** The shaders as a module of text, for a browser, which has no folder to read. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** JavaScript that exports `SHADERS`: the text of each `shaders/NAME.wgsl` under `root`, by NAME. */
export function shadersModule(root) {
  const folder = join(root, "shaders");
  const names = readdirSync(folder).filter((name) => name.endsWith(".wgsl"));
  const texts = names.sort().map((name) => [name.slice(0, -".wgsl".length), readFileSync(join(folder, name), "utf8")]);
  return `export const SHADERS = ${JSON.stringify(Object.fromEntries(texts), undefined, 1)};\n`;
}
