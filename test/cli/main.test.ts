import { readFileSync } from "node:fs";
import { expect } from "chai";
import { masa, node } from "./masa.js";

describe("masa", () => {
  it("--version prints the version of package.json", async () => {
    const manifest = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
    const { version } = JSON.parse(manifest) as { version: string };
    expect(await masa(["--version"])).to.deep.equal({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("--help lists the commands and examples", async () => {
    const { code, stdout, stderr } = await masa(["--help"]);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    expect(stdout).to.match(/Commands:[\s\S]*doctor[\s\S]*Examples:[\s\S]*masa doctor/);
  });

  it("every command has its own help with examples", async () => {
    const { stdout } = await masa(["--help"]);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) .*(?:\[options\])/gm)].map(([, name]) => name as string);
    expect(commands).to.include("doctor");
    for (const command of commands) {
      const { code, stdout: help } = await masa([command, "--help"]);
      expect(code).to.equal(0);
      expect(help, command)
        .to.match(/Examples:/)
        .and.include(`masa ${command}`);
    }
  });

  it("without a command prints the help on stderr and ends with 2", async () => {
    const { code, stdout, stderr } = await masa([]);
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    expect(stderr).to.include("Usage: masa");
  });

  it("suggests the nearest command, and ends with 2", async () => {
    const { code, stdout, stderr } = await masa(["doctro"]);
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    expect(stderr).to.match(/^masa: unknown command 'doctro'\n\(Did you mean doctor\?\)\n/);
  });

  it("suggests the nearest command to 'help', too", async () => {
    const { code, stdout, stderr } = await masa(["help", "doctro"]);
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    expect(stderr).to.match(/^masa: unknown command 'doctro'\n\(Did you mean doctor\?\)\n/);
    expect((await masa(["help", "doctor"])).stdout).to.include("masa doctor");
  });

  it("suggests the nearest option, names the command, and ends with 2", async () => {
    const { code, stderr } = await masa(["doctor", "--adaptor", "x"]);
    expect(code).to.equal(2);
    expect(stderr).to.match(/^masa doctor: unknown option '--adaptor'\n\(Did you mean --adapter\?\)\n/);
  });

  it("ends quietly with 0 when the reader closes the pipe", async () => {
    const { code, stderr } = await masa(["--help"], {}, (child) => child.stdout?.destroy());
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
  });
});

/** A program whose one subcommand runs `action`, the text of an async function of the signal. */
function program(
  action: string,
  args: readonly string[] = [],
  onStdout: (text: string, pid: number) => void = () => {},
) {
  const command = new URL("../../src/cli/command.js", import.meta.url).href;
  const code = `
    import { Command } from "commander";
    import { addCommand, runCommand, UsageError } from ${JSON.stringify(command)};
    const program = new Command("masa").option("--debug");
    addCommand(program, "job", "a job").action(runCommand("job", ${action}));
    await program.parseAsync(["node", "masa", "job", ...${JSON.stringify(args)}]);`;
  return node(["--input-type=module", "-e", code], {}, (child) => {
    child.stdout?.on("data", (text: string) => onStdout(text, child.pid ?? 0));
  });
}

describe("runCommand", () => {
  it("tells an error in one line and ends with 1", async () => {
    const ended = await program(`async () => { throw new Error("no such file") }`);
    expect(ended).to.deep.equal({ code: 1, stdout: "", stderr: "masa job: no such file\n" });
  });

  it("tells the stack and the causes with --debug", async () => {
    const action = `async () => { throw new Error("outer", { cause: new Error("inner") }) }`;
    const { code, stderr } = await program(action, ["--debug"]);
    expect(code).to.equal(1);
    expect(stderr).to.match(/masa job: Error: outer\n +at [\s\S]*caused by: Error: inner\n +at /);
  });

  it("ends with 2 on wrong usage", async () => {
    const { code, stderr } = await program(`async () => { throw new UsageError("scale must be 4") }`);
    expect(code).to.equal(2);
    expect(stderr).to.match(/^masa job: scale must be 4\nRun 'masa job --help'/);
  });

  const interrupt = (text: string, pid: number) => {
    if (text.includes("ready")) process.kill(pid, "SIGINT");
  };
  const ready = "setInterval(() => {}, 1000); console.log('ready');";

  it("aborts the signal on Ctrl-C and ends with 130", async () => {
    const action = `async (signal) => {
      const timer = setInterval(() => {}, 1000); console.log("ready");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      clearInterval(timer); signal.throwIfAborted(); }`;
    const { code, stderr } = await program(action, [], interrupt);
    expect(code).to.equal(130);
    expect(stderr).to.match(/stopping[\s\S]*masa job: interrupted\n$/);
  });

  it("ends at once on a second Ctrl-C", async () => {
    const action = `async (signal) => {
      ${ready} signal.addEventListener("abort", () => console.log("ready again"));
      await new Promise(() => {}); }`;
    const { code } = await program(action, [], interrupt);
    expect(code).to.equal(130);
  });
});
