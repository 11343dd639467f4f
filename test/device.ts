/** The one GPU device of the test process, opened on first use and closed after the last test. */
import { after } from "mocha";
import type { Device } from "../src/gpu/device.js";
import { nodePlatform, openDevice } from "../src/platform/node.js";

let device: Promise<Device> | undefined;

export function testDevice(): Promise<Device> {
  device ??= openDevice({}, { ...nodePlatform, warn: () => {} });
  return device;
}

after(async () => {
  (await device)?.dispose();
});
