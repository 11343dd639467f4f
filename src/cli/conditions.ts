/** Under which circumstances a command measures: what stands beside every figure. */
import type { Conditions } from "../reproduce/result.js";

export function conditionsOf(adapter: string): Conditions {
  return { command: commandLine(), adapter, date: new Date().toISOString().slice(0, 10) };
}

/** As the user typed it, but for the program's own path. */
function commandLine(): string {
  const quoted = (text: string) => (/^[\w./:,=@+-]+$/.test(text) ? text : JSON.stringify(text));
  return ["masa", ...process.argv.slice(2).map(quoted)].join(" ");
}
