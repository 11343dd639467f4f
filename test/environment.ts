import { pacePolling } from "../src/platform/polling.js";

/** Mocha loads this before all tests: what the tester's machine was tuned to is no part of what is tested. */
process.env.MASA_TUNING = "off";
// The adapter of the tests is usually the CPU that runs them.
pacePolling();
