/** Every command that a document shows exists, with the options that it shows. None is run. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { Command } from "commander";
import { COMMANDS, commandsIn, ROOT, read, type ShownCommand } from "./documents.js";

const CLI = join(ROOT, "dist/src/cli");

/** The `masa` command with all subcommands: a file's own is added by `add<Name>`. */
async function masa(): Promise<Command> {
  const program = new Command("masa").option("--debug").option("--version");
  for (const file of readdirSync(CLI).filter((name) => name.endsWith(".js") && name !== "main.js")) {
    const name = file.replace(/^./, (letter) => letter.toUpperCase()).replace(".js", "");
    const { [`add${name}`]: add } = (await import(join(CLI, file))) as Record<string, unknown>;
    if (typeof add === "function" && name !== "Command") add(program);
  }
  return program;
}

function optionsOf(command: Command): string[] {
  return ["--help", ...command.options.flatMap(({ long }) => long ?? [])];
}

/** What is wrong with the options and arguments after the command's name. */
function unknownIn(words: readonly string[], options: readonly string[]): string[] {
  return words
    .filter((word) => word.startsWith("--"))
    .map((word) => word.split("=")[0] as string)
    .filter((word) => !options.includes(word));
}

function faultOf(program: Command, scripts: Readonly<Record<string, string>>, bench: string[], shown: ShownCommand) {
  const [tool, name = "", ...rest] = shown.words;
  if (tool === "npm") {
    const script = name === "run" ? rest[0] : name;
    if (["install", "ci", "pack"].includes(script ?? "")) return undefined;
    if (!scripts[script ?? ""]) return `no script ${script}`;
    const after = rest.slice(rest.indexOf("--") + 1);
    if (script === "bench" && rest.includes("--")) return unknownIn(after, bench)[0];
    return undefined;
  }
  const all = optionsOf(program);
  if (name.startsWith("--")) return unknownIn([name, ...rest], all)[0];
  if (name === "…" || name === "help") return undefined;
  const command = program.commands.find((candidate) => candidate.name() === name);
  if (!command) return `no command ${name}`;
  const unknown = unknownIn(rest, [...all, ...optionsOf(command)])[0];
  if (unknown) return unknown;
  const first = rest[0];
  const choices = command.registeredArguments[0]?.argChoices;
  if (choices && first && /^\w/.test(first) && !choices.includes(first)) return `${first} is none of ${choices}`;
  return undefined;
}

describe("commands in documents", () => {
  let fault: (shown: ShownCommand) => string | undefined;

  before(async () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const help = execFileSync(process.execPath, [join(ROOT, "dist/bench/main.js"), "--help"], { encoding: "utf8" });
    const bench = ["--help", ...[...help.matchAll(/^ {2}(--[\w-]+)/gm)].map(([, option = ""]) => option)];
    const program = await masa();
    fault = (shown) => faultOf(program, scripts, bench, shown);
  });

  it("exist, and take the options shown", () => {
    const faults = COMMANDS.flatMap((shown) => {
      const problem = fault(shown);
      return problem ? [`${shown.document}: '${shown.line}': ${problem}`] : [];
    });
    expect(faults).to.deep.equal([]);
    expect(COMMANDS.length).to.be.above(40);
  });

  it("are found in blocks and spans, and their mistakes too", () => {
    const text = [
      "Run `npx masa upscal --lr a.png` or",
      "```",
      "masa train --preset tiny \\",
      "  --ouput run   # --no-option",
      'npm run bench -- --filter "conv --x" --rond 3',
      "npm run nothing",
      "masa reproduce table9 --out p",
      "masa train … --profile trace.json",
      "```",
    ].join("\n");
    const faults = commandsIn("a.md", text).map((shown) => fault(shown)?.replace(/ of .*/, ""));
    expect(faults).to.deep.equal([
      ...["--ouput", "--rond", "no script nothing", "table9 is none"],
      ...[undefined, "no command upscal"],
    ]);
  });
});
