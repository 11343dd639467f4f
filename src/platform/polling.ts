/**
 * Dawn's binding asks the driver for news by `setImmediate`, over and over while anything is pending: with seconds of
 * GPU work ahead it keeps one core busy with asking, which a GPU that is this CPU needs itself. The only way to slow it down
 * is to replace `globalThis.setImmediate`, so it happens only where somebody asks for it.
 */

/** Questions asked at once before the pauses begin: short work is answered without delay. */
const EAGER = 50;
/** Milliseconds between two questions after that. */
const PAUSE = 1;

let restore: (() => void) | undefined;

/**
 * Makes Dawn pause for a millisecond between two polls of the driver while the GPU works, which otherwise takes a whole CPU
 * core: worth it on adapters that compute on the CPU, and wherever the core has other work. Replaces
 * `globalThis.setImmediate` for the whole thread; other callers of it notice nothing. Returns a function that puts the
 * original back. Safe to repeat. The `masa` command does this itself.
 */
export function pacePolling(): () => void {
  restore ??= install();
  return restore;
}

function install(): () => void {
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
  const replacement = Object.defineProperties(paced, {
    ...Object.getOwnPropertyDescriptors(setImmediate),
  }) as unknown as typeof setImmediate;
  globalThis.setImmediate = replacement;
  return () => {
    // Someone who has wrapped ours since keeps it.
    if (globalThis.setImmediate === replacement) globalThis.setImmediate = setImmediate;
    restore = undefined;
  };
}

/** Dawn's callback is the nameless native function; a bound one has a name. */
function isNative(callback: unknown): boolean {
  return (
    typeof callback === "function" &&
    callback.name === "" &&
    Function.prototype.toString.call(callback).endsWith("{ [native code] }")
  );
}
