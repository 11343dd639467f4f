/** The browser's platform: its own WebGPU, and shaders that come with the code. */
import { Device, type DeviceOptions, type Platform } from "../gpu/device.js";
import { NoAdapterError, ShaderError } from "../gpu/errors.js";
import { SHADERS } from "./shaders.js";

const WHICH =
  "Use a current Chrome, Edge, Opera or Safari, or Firefox on Windows or macOS; on Linux, Chrome may need it switched on at chrome://flags/#enable-unsafe-webgpu";

/** WebGPU of the page or the worker that this runs in. */
export const browserPlatform: Platform = {
  gpu() {
    // Typed as if it were always there.
    const gpu = navigator.gpu as GPU | undefined;
    if (gpu) return gpu;
    if (globalThis.isSecureContext) throw new NoAdapterError("this browser has no WebGPU", WHICH);
    throw new NoAdapterError("a page without https has no WebGPU", "Open it by https, or from localhost");
  },
  shader(name) {
    const text = SHADERS[name];
    if (text === undefined) throw new ShaderError(`there is no shader '${name}'`, "Build the package again");
    return text;
  },
  // A page shows `device.info.software` in its own words.
  warn: () => {},
  noAdapterAdvice: `This browser may not let WebGPU use this GPU or its driver. ${WHICH}`,
};

/** Opens a GPU device in a browser, which chooses the adapter. Throws `NoAdapterError`. */
export function openDevice(
  options: Omit<DeviceOptions, "adapter"> = {},
  platform: Platform = browserPlatform,
): Promise<Device> {
  return Device.open(platform, options);
}
