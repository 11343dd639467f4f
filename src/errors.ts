/**
 * The base of every error that this library throws on purpose. It lives below all rooms, so that each can define its own
 * errors and any of them can be caught as one class.
 */

/** States what happened to which object, with which value, and then the remedy: `message` is `${problem}. ${advice}`. */
export class MasaError extends Error {
  override readonly name: string = "MasaError";
  constructor(
    readonly problem: string,
    readonly advice: string,
    options?: ErrorOptions,
  ) {
    super(`${problem}. ${advice}`, options);
  }
}

/** An argument has a value that the function cannot use: a count of 0, NaN, an unknown name. */
export class ArgumentError extends MasaError {
  override readonly name = "ArgumentError";
}

let onCommandLine = false;

/** From now on `advice` words remedies for the command line. The `masa` command calls it once, before anything else. */
export function adviseForCommandLine(): void {
  onCommandLine = true;
}

/** The remedy in the words of whoever will read it: a program's author (`storage: "f16"`) or a user of `masa` (`--half`). */
export function advice(forPrograms: string, forCommandLine: string): string {
  return onCommandLine ? forCommandLine : forPrograms;
}
