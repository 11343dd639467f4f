/**
 * Dawn's binding asks the driver for news by `setImmediate`, over and over while anything is pending: with seconds of
 * GPU work ahead it keeps one core busy with asking, which a GPU that is this CPU needs itself.
 */

/** Questions asked at once before the pauses begin: short work is answered without delay. */
const EAGER = 50;
/** Milliseconds between two questions after that. */
const PAUSE = 1;

let installed = false;

/** From now on Dawn pauses between two questions. Other callers of `setImmediate` notice nothing. Safe to repeat. */
export function pacePolling(): void {
  if (installed) return;
  installed = true;
  const { setImmediate } = globalThis;
  let asking = false;
  let asked = 0;
  const ask = (callback: () => void) => {
    asking = true;
    try {
      callback();
    } finally {
      asking = false;
    }
  };
  const paced = (callback: (...args: unknown[]) => void, ...args: unknown[]) => {
    if (!isNative(callback)) return setImmediate(callback, ...args);
    // A question put from within the last one's answer: nothing has come in between.
    asked = asking ? asked + 1 : 0;
    return asked < EAGER ? setImmediate(ask, callback) : setTimeout(ask, PAUSE, callback);
  };
  // Keeps what hangs on the function, as its form for util.promisify.
  globalThis.setImmediate = Object.defineProperties(paced, {
    ...Object.getOwnPropertyDescriptors(setImmediate),
  }) as unknown as typeof setImmediate;
}

/** Dawn's callback is the nameless native function; a bound one has a name. */
function isNative(callback: unknown): boolean {
  return (
    typeof callback === "function" &&
    callback.name === "" &&
    Function.prototype.toString.call(callback).endsWith("{ [native code] }")
  );
}
