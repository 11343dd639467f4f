/** The documents at hand, their code blocks and what they name. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

export function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** README.md, CONTRIBUTING.md and all of docs. */
export const DOCUMENTS: readonly string[] = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** A `masa …` or `npm …` command: its words, without quotation marks. */
export interface ShownCommand {
  readonly document: string;
  readonly line: string;
  readonly words: readonly string[];
}

/** The commands in the code blocks and code spans of a Markdown text; a backslash goes on in the next line. */
export function commandsIn(document: string, markdown: string): ShownCommand[] {
  const blocks = [...markdown.matchAll(/^```[^\n]*\n(.*?)^```/gms)].map(([, text = ""]) => text);
  const spans = [...markdown.replaceAll(/^```.*?^```/gms, "").matchAll(/`([^`\n]+)`/g)].map(([, text = ""]) => text);
  const lines = [...blocks.flatMap((text) => text.replaceAll("\\\n", " ").split("\n")), ...spans];
  return lines
    .map((line) => line.trim().replace(/^npx (?=masa )/, ""))
    .filter((line) => /^(masa|npm) /.test(line))
    .map((line) => ({
      document,
      line,
      words: [...line.replace(/\s#.*$/, "").matchAll(/"[^"]*"|\S+/g)].map(([word]) => word.replaceAll('"', "")),
    }));
}

export const COMMANDS: readonly ShownCommand[] = DOCUMENTS.flatMap((name) => commandsIn(name, read(name)));
