/** Mocha loads this before all tests: what the tester's machine was tuned to is no part of what is tested. */
process.env.MASA_TUNING = "off";
