/** `navigator.gpu` for libraries written for browsers: the same Dawn as ours, on the same adapter, polled at the same pace. */
import { globals } from "webgpu";
import { type AdapterInfo, describeAdapter } from "../../src/gpu/adapter.js";
import { nodePlatform } from "../../src/platform/node.js";
import { pacePolling } from "../../src/platform/polling.js";

export interface OfferedGpu {
  /** The adapter that the library took. Throws an Error where it took none. */
  adapter(): AdapterInfo;
  /** Waits until the library's devices have done all that was submitted to them. */
  drain(): Promise<void>;
}

/** Defines what a browser defines. `onDevice` sees each device that the library opens. */
export async function offerGpu(onDevice: (device: GPUDevice) => void = () => {}): Promise<OfferedGpu> {
  pacePolling();
  const gpu = await nodePlatform.gpu(process.env.MASA_ADAPTER || undefined);
  const devices: GPUDevice[] = [];
  let info: AdapterInfo | undefined;
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await requestAdapter(options);
    if (!adapter) return null;
    info = describeAdapter(adapter);
    const requestDevice = adapter.requestDevice.bind(adapter);
    adapter.requestDevice = async (descriptor) => {
      const device = await requestDevice(descriptor);
      onDevice(device);
      devices.push(device);
      return device;
    };
    return adapter;
  };
  Object.assign(globalThis, globals);
  const navigator = { gpu, userAgent: "Node", platform: process.platform };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true, writable: true });
  return {
    adapter() {
      if (!info) throw new Error("it asked for no WebGPU adapter");
      return info;
    },
    async drain() {
      for (const { queue } of devices) await queue.onSubmittedWorkDone();
    },
  };
}
