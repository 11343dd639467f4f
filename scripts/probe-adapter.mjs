/**
 * Asks Dawn for an adapter and a device, and computes nothing. In a process of its own, since a broken driver may end it.
 * Prints the adapter's name. Exit codes: 0 there is one, 2 there is none, 3 the webgpu package does not load.
 */
let create;
try {
  ({ create } = await import("webgpu"));
} catch (error) {
  console.error(error.message);
  process.exit(3);
}
const adapter = await create([]).requestAdapter();
if (!adapter) process.exit(2);
const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
if (/\bnull\b/i.test(`${vendor} ${device} ${description}`)) process.exit(2);
(await adapter.requestDevice()).destroy();
const name = description || device || `${vendor} ${architecture}`;
console.log(isFallbackAdapter ? `${name}, in software` : name);
